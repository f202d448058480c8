"""The calibrator: a network that gives every pair of text and label an inverse temperature, and optionally a bias.

Calibrated logit = beta * logit + bias. Fitted with the backbone frozen; without a bias no decision at 0.5 changes.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.configuration import GliclassConfig
from model.errors import CheckpointError
from model.head import Scores
from model.scorers.groups import LabelGroups, group_maximum, group_sum

LOGIT_FEATURES = 6


class Calibrator(nn.Module):
    """An MLP over text features, class features and logit statistics. Parameter names are the published keys."""

    def __init__(
        self,
        feature_size: int,
        hidden_size: int = 256,
        beta_max: float = 3.0,
        dropout: float = 0.1,
        use_bias: bool = False,
    ) -> None:
        super().__init__()
        self.beta_max = beta_max
        self.use_bias = use_bias
        self.text_norm = nn.LayerNorm(feature_size)
        self.label_norm = nn.LayerNorm(feature_size)
        self.mlp = nn.Sequential(
            nn.Linear(4 * feature_size + LOGIT_FEATURES, hidden_size),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden_size, hidden_size),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden_size, 2 if use_bias else 1),
        )
        self.reset_to_global_scaling(1.0)

    @classmethod
    def from_config(cls, config: GliclassConfig) -> "Calibrator":
        """The calibrator that the configuration describes, starting as the identity.

        Raises:
            CheckpointError: the architecture gives no single text vector to calibrate with.
        """
        if config.pooling_strategy == "pass" and config.architecture_type not in ("decoder-kv", "encoder-decoder-cls"):
            raise CheckpointError(
                "use_calibrator with pooling_strategy 'pass': a calibrator reads one text vector, and this pooling "
                "gives one for each token; set use_calibrator to false"
            )
        decoder = config.architecture_type == "decoder-kv"
        return cls(
            config.hidden_size if decoder else config.encoder_size,
            config.calibrator_hidden_size,
            config.calibrator_beta_max,
            config.calibrator_dropout,
            config.calibrator_use_bias,
        )

    @torch.no_grad()
    def reset_to_global_scaling(self, beta: float, bias: float = 0.0) -> None:
        """Make every pair's beta and bias the given ones, as a starting point for fitting.

        beta is kept within (0, `beta_max`) by a ten-thousandth of it at either end.
        """
        share = min(max(beta / self.beta_max, 1e-4), 1 - 1e-4)
        output = self.mlp[-1]
        assert isinstance(output, nn.Linear)
        output.weight.zero_()
        output.bias[0] = math.log(share / (1 - share))
        if self.use_bias:
            output.bias[1] = bias

    def forward(self, scores: Scores) -> Tensor:
        """Calibrated logits, float32 [C], in the order of `scores.logits`."""
        beta, bias = self.scaling(scores.text, scores.classes, scores.logits, scores.groups)
        return beta * scores.logits.float() + bias

    def scaling(self, text: Tensor, classes: Tensor, logits: Tensor, groups: LabelGroups) -> tuple[Tensor, Tensor]:
        """Inverse temperatures in (0, `beta_max`) and biases (0 without `use_bias`), float32 [C] each.

        text: [N, E]; classes: [C, E]; logits: [C], uncalibrated.
        """
        dtype = self.text_norm.weight.dtype
        text_rows = self.text_norm(text.to(dtype)).index_select(0, groups.text_of_labels(text.device))
        class_rows = self.label_norm(classes.to(dtype))
        statistics = logit_statistics(logits.float(), groups).to(dtype)
        features = [text_rows, class_rows, text_rows * class_rows, (text_rows - class_rows).abs(), statistics]
        output = self.mlp(torch.cat(features, dim=-1)).float()
        beta = self.beta_max * output[:, 0].sigmoid()
        return beta, output[:, 1] if self.use_bias else torch.zeros_like(beta)


def logit_statistics(logits: Tensor, groups: LabelGroups) -> Tensor:
    """[C, 6]: z, |z|, z - max, z - mean, mean binary entropy and log count, the last four over the label's group."""
    group_of_labels, group_count = groups.group_of_labels(logits.device), len(groups.label_counts)
    counts = torch.tensor(groups.label_counts, dtype=logits.dtype, device=logits.device).clamp_min(1)
    probabilities = logits.sigmoid()
    entropies = -(probabilities * F.logsigmoid(logits) + (1 - probabilities) * F.logsigmoid(-logits))
    statistics = [
        logits,
        logits.abs(),
        logits - group_maximum(logits, group_of_labels, group_count)[group_of_labels],
        logits - (group_sum(logits, group_of_labels, group_count) / counts)[group_of_labels],
        (group_sum(entropies, group_of_labels, group_count) / counts)[group_of_labels],
        counts.log()[group_of_labels],
    ]
    return torch.stack(statistics, dim=-1)
