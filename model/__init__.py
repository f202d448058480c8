"""GLiClass: texts and label sets in, scores out.

from model import LabelSet, Scorer

scorer = Scorer.load("path/to/checkpoint")
topics = scorer.prepare(LabelSet(("billing", "shipping", "praise")))
[[logits]] = scorer.score([scorer.encode("Where is my parcel?", [topics])])
"""

from model.errors import CheckpointError, LabelSetError, ModelError
from model.label_set import Example, LabelSet
from model.long_text import Combine, LongText, LongTextMode
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
