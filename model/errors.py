"""What can go wrong between a checkpoint, a label set and a text."""


class ModelError(Exception):
    """Base of every error raised by the `model` package on purpose."""


class CheckpointError(ModelError):
    """A checkpoint cannot be used as it is; the message names the file or field and what to change."""


class LabelSetError(ModelError):
    """A label set cannot be scored by this model; the message names the field and what to change."""
