"""The network that a checkpoint holds: one of the architectures, and its calibrator where it has one."""

from collections.abc import Sequence
from typing import cast

from torch import nn

from model.architectures import Architecture, build_architecture
from model.calibrator import Calibrator
from model.configuration import GliclassConfig
from model.head import Scores
from model.prompt import TextPass


class GliclassModel(nn.Module):
    """An architecture and its optional calibrator; parameters have their published names."""

    def __init__(self, config: GliclassConfig) -> None:
        """Random weights.

        Raises:
            CheckpointError: the configuration cannot be run.
        """
        super().__init__()
        self.config = config
        self.model = build_architecture(config)
        self.calibrator = Calibrator.from_config(config) if config.use_calibrator else None

    @property
    def architecture(self) -> Architecture:
        """The module without its calibrator."""
        return cast(Architecture, self.model)

    def forward(self, passes: Sequence[TextPass]) -> Scores:
        """`Architecture` scores, with calibrated logits where there is a calibrator."""
        scores = self.architecture(passes)
        if self.calibrator is None:
            return scores
        return Scores(self.calibrator(scores), scores.text, scores.classes, scores.groups)
