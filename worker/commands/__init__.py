"""Commands around the model: train, evaluate, calibrate."""
