"""What can go wrong while training, each with a message that names the fix."""

from model.errors import ModelError


class DataError(ModelError):
    """Training or evaluation data that cannot be used; the message names file, line and field."""


class TrainingError(ModelError):
    """A training run that cannot go on; the message says what was saved and where."""
