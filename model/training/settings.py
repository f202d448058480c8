"""How a model is trained: every choice with its default and its limits.

Without torch: the help of a command reads the defaults here and must not wait seconds for it.
"""

from dataclasses import dataclass, field

from model.training.augmentation import NO_AUGMENTATION, Augmentation
from model.training.errors import DataError

PARTS = ("all", "labels", "heads")
DTYPE_NAMES = ("auto", "float32", "bfloat16")


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
        for name in ("epochs", "batch_size", "accumulation_steps", "evaluate_every"):
            if getattr(self, name) < 1:
                raise DataError(f"{name} must be at least 1, got {getattr(self, name)!r}")
        for name in ("encoder_learning_rate", "head_learning_rate"):
            if not 0 <= getattr(self, name) < 1:
                raise DataError(f"{name} must be from 0 up to 1, got {getattr(self, name)!r}")
        if self.trained not in PARTS:
            raise DataError(f"trained must be one of {', '.join(PARTS)}, got {self.trained!r}")
        if self.dtype not in DTYPE_NAMES:
            raise DataError(f"dtype must be auto, float32 or bfloat16, got {self.dtype!r}")
        if not 0 <= self.kept_share <= 1:
            raise DataError(f"kept_share must be from 0 to 1, got {self.kept_share!r}")


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
        for name in ("clip", "value_weight", "kl_weight", "entropy_weight"):
            if getattr(self, name) < 0:
                raise DataError(f"ppo.{name} must not be negative, got {getattr(self, name)!r}")
        for name in ("samples", "inner_epochs"):
            if getattr(self, name) < 1:
                raise DataError(f"ppo.{name} must be at least 1, got {getattr(self, name)!r}")


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
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise DataError(f"{name} must be at least 1, got {getattr(self, name)!r}")
        if self.trained not in PARTS:
            raise DataError(f"trained must be one of {', '.join(PARTS)} with feedback, got {self.trained!r}")
