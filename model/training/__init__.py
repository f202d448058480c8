"""Making a GLiClass model better: data, losses, supervised training, PPO, calibration, evaluation."""
