"""GLiClass: texts and label sets in, scores out.

from model import LabelSet, Scorer

scorer = Scorer.starter()
scorer.classify("Where is my parcel?", ["billing", "shipping", "praise"])

topics = scorer.prepare(LabelSet(("billing", "shipping", "praise")))
[[logits]] = scorer.score([scorer.encode("Where is my parcel?", [topics])])
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from model.errors import CheckpointError, LabelSetError, ModelError
from model.label_set import Example, LabelSet
from model.long_text import Combine, LongText, LongTextMode

if TYPE_CHECKING:
    from model.prompt import EncodedText, PreparedLabelSet
    from model.scorer import Scorer

__all__ = [
    "CheckpointError",
    "Combine",
    "EncodedText",
    "Example",
    "LabelSet",
    "LabelSetError",
    "LongText",
    "LongTextMode",
    "ModelError",
    "PreparedLabelSet",
    "Scorer",
]

_FROM_TORCH = {"EncodedText": "model.prompt", "PreparedLabelSet": "model.prompt", "Scorer": "model.scorer"}


def __getattr__(name: str) -> Any:
    """Import what needs torch when it is asked for: a command that only reads a policy must not wait seconds for it."""
    if name not in _FROM_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_FROM_TORCH[name]), name)
