"""How a model is trained: every choice with its default and its limits.

Without torch: the help of a command reads the defaults here and must not wait seconds for it.
"""

from dataclasses import dataclass, field
from math import inf
from sys import float_info

from model.training.augmentation import NO_AUGMENTATION, Augmentation
from model.training.errors import DataError

PARTS = ("all", "labels", "heads")
DTYPE_NAMES = ("auto", "float32", "bfloat16")

MOST_FINITE = float_info.max
Ranges = dict[str, tuple[float, float]]
"""Name to (least, most), both allowed; MOST_FINITE keeps out infinity."""
_COUNTS: Ranges = {"epochs": (1, inf), "batch_size": (1, inf)}
_RATES: Ranges = {
    "encoder_learning_rate": (0, 1),
    "head_learning_rate": (0, 1),
    "weight_decay": (0, MOST_FINITE),
    "warm_up_share": (0, 1),
    "clip_norm": (float_info.min, MOST_FINITE),
}
_TRAINING_RANGES: Ranges = {
    "accumulation_steps": (1, inf),
    "gamma": (0, MOST_FINITE),
    "alpha": (0, 1),
    "smoothing": (0, 1),
    "listwise_weight": (0, MOST_FINITE),
    "in_batch_negatives": (0, inf),
    "kept_share": (0, 1),
    "evaluate_every": (1, inf),
    "patience": (0, inf),
}
_PPO_RANGES: Ranges = {
    "clip": (0, MOST_FINITE),
    "value_weight": (0, MOST_FINITE),
    "kl_weight": (0, MOST_FINITE),
    "entropy_weight": (0, MOST_FINITE),
    "samples": (1, inf),
    "inner_epochs": (1, inf),
}
_FEEDBACK_RANGES: Ranges = {"value_learning_rate": (0, 1), "partial_label_weight": (0, MOST_FINITE)}
_LORA_RANGES: Ranges = {"rank": (1, inf), "alpha": (1, inf), "dropout": (0, 1)}


@dataclass(frozen=True, slots=True)
class LoraSettings:
    """Low-rank adapters on the encoders.

    Attributes:
        rank: of the update of each matrix.
        alpha: the update counts alpha / rank.
        dropout: on the adapter's input while training.
    """

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0

    def __post_init__(self) -> None:
        _require_ranges(self, _LORA_RANGES, prefix="lora.")


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How a model is trained.

    Attributes:
        batch_size: examples per forward pass; accumulation_steps of them make one update.
        encoder_learning_rate, head_learning_rate: peaks, after a linear warm-up over `warm_up_share` of the updates
            and before a linear fall to zero.
        trained: "all", "labels" (a bi-encoder's label tower and the heads) or "heads".
        gamma, alpha, smoothing: see `multi_label_loss`.
        listwise_weight: of `listwise_loss`, which is added to it.
        in_batch_negatives: up to so many labels of other examples are added as false ones.
        kept_share: how much of the change is kept in the end; the rest goes back to the start (WiSE-FT).
        evaluate_every: updates between looks at the development examples.
        patience: looks without a better figure after which training stops; 0 for never.
        dtype: what is multiplied in: "float32", "bfloat16", or "auto", bfloat16 where the hardware has it. Weights
            and losses are float32.
    """

    epochs: int = 10
    batch_size: int = 16
    accumulation_steps: int = 1
    encoder_learning_rate: float = 5e-5
    head_learning_rate: float = 1e-4
    weight_decay: float = 0.01
    warm_up_share: float = 0.1
    clip_norm: float = 1.0
    trained: str = "all"
    lora: LoraSettings | None = None
    gamma: float = 0.0
    alpha: float | None = None
    smoothing: float = 0.0
    listwise_weight: float = 0.0
    in_batch_negatives: int = 0
    augmentation: Augmentation = NO_AUGMENTATION
    kept_share: float = 1.0
    evaluate_every: int = 50
    patience: int = 0
    dtype: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        _require_ranges(self, _COUNTS | _RATES | _TRAINING_RANGES)
        _require_names(self)


@dataclass(frozen=True, slots=True)
class PpoSettings:
    """Weights of the terms of the loss; every one counts as given.

    Attributes:
        clip: how far a label's probability ratio may move the objective away from 1.
        value_weight: of the value head's squared error.
        kl_weight: of the divergence from the reference, which is penalised.
        entropy_weight: of the policy's entropy, which is rewarded.
        samples: rollouts of each text.
        inner_epochs: updates from one rollout.
        normalise_advantages: whether a batch's advantages are brought to mean 0 and standard deviation 1.
    """

    clip: float = 0.2
    value_weight: float = 0.5
    kl_weight: float = 0.5
    entropy_weight: float = 0.01
    samples: int = 32
    inner_epochs: int = 3
    normalise_advantages: bool = True

    def __post_init__(self) -> None:
        _require_ranges(self, _PPO_RANGES, prefix="ppo.")


@dataclass(frozen=True, slots=True)
class FeedbackSettings:
    """How a model is trained from feedback.

    Attributes:
        epochs: passes over the feedback.
        batch_size: texts of one rollout.
        encoder_learning_rate, head_learning_rate: peaks, reached after a linear warm-up over `warm_up_share` of the
            updates and followed by a linear fall to zero.
        trained, lora: as in `TrainingSettings`.
        dtype: as in `TrainingSettings`.
        partial_label_weight: of the likelihood that one of a text's candidates is right, where candidates are given.
    """

    epochs: int = 6
    batch_size: int = 32
    encoder_learning_rate: float = 1e-5
    head_learning_rate: float = 1e-4
    value_learning_rate: float = 1e-2
    weight_decay: float = 0.0
    warm_up_share: float = 0.1
    clip_norm: float = 1.0
    trained: str = "all"
    lora: LoraSettings | None = None
    partial_label_weight: float = 0.5
    ppo: PpoSettings = field(default_factory=PpoSettings)
    dtype: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        _require_ranges(self, _COUNTS | _RATES | _FEEDBACK_RANGES)
        _require_names(self, " with feedback")


def _require_names(settings: TrainingSettings | FeedbackSettings, where: str = "") -> None:
    if settings.trained not in PARTS:
        raise DataError(f"trained must be one of {', '.join(PARTS)}{where}, got {settings.trained!r}")
    if settings.dtype not in DTYPE_NAMES:
        raise DataError(f"dtype must be one of {', '.join(DTYPE_NAMES)}, got {settings.dtype!r}")


def _require_ranges(settings: object, ranges: Ranges, prefix: str = "") -> None:
    for name, (least, most) in ranges.items():
        value = getattr(settings, name)
        # Written so that a value which is not a number is refused too.
        if value is not None and not least <= value <= most:
            span = f"at least {least:g}" if most in (inf, MOST_FINITE) else f"from {least:g} to {most:g}"
            raise DataError(f"{prefix}{name} must be {span}, got {value!r}")
