"""A checkpoint's tokenizer, piece by piece, with markers and special tokens that no text can forge."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from model.errors import CheckpointError
from model.reserved_tokens import WORD_STARTS, shield

TokenIds = NDArray[np.int64]

LABEL_MARKER = "<<LABEL>>"
SEPARATOR_MARKER = "<<SEP>>"
EXAMPLE_MARKER = "<<EXAMPLE>>"
MARKERS = (LABEL_MARKER, SEPARATOR_MARKER, EXAMPLE_MARKER)
MIN_VOCABULARY = 16
NOTHING: TokenIds = np.zeros(0, dtype=np.int64)


class Reading(NamedTuple):
    """How a tokenizer reads a text.

    Attributes:
        unknown: tokens that stand for something it does not know.
        known: tokens of something that it knows, white space not counted.
    """

    token_ids: TokenIds
    unknown: int
    known: int


LONGEST_QUICK_CHARACTERS = 4_000
"""Up to here a text is cut within milliseconds. `encode` holds the interpreter's lock all the while, and with it the
event loop: nearly a second for a text of a MiB. `encode_batch_fast` lets it go, at a price for short texts."""


class PieceTokenizer:
    """Token ids of pieces of text. Safe to use from several threads.

    A sequence tokenised in one go equals the concatenation of its pieces, each encoded together with the marker that
    begins it: markers cut the text before anything else happens. That is what lets label prompts be tokenised once.

    Attributes:
        prefix, suffix: the special tokens around a sequence, such as [CLS] and [SEP].
        marker_ids: the reserved markers that are tokens of this tokenizer, by their text.
    """

    def __init__(self, backend: Tokenizer) -> None:
        self._definition = _unlimited(backend).to_str()
        shielded = shield(self._definition, MARKERS)
        self._backend, self._unknown_id = shielded.tokenizer, shielded.unknown_id
        found = {marker: backend.token_to_id(marker) for marker in MARKERS}
        self.marker_ids: Mapping[str, int] = {marker: token for marker, token in found.items() if token is not None}
        self._spellings = {marker: shielded.spellings[marker] for marker in self.marker_ids}
        probe = self._backend.encode("a")
        mask = np.asarray(probe.special_tokens_mask, dtype=bool)
        ids = np.asarray(probe.ids, dtype=np.int64)
        text = np.flatnonzero(~mask)
        first, last = (text[0], text[-1]) if len(text) else (len(ids), len(ids) - 1)
        self.prefix: TokenIds = ids[:first]
        self.suffix: TokenIds = ids[last + 1 :]

    @classmethod
    def read(cls, folder: Path, revision: str | None = None) -> "PieceTokenizer":
        """Load the tokenizer of a checkpoint folder (or of a hub name).

        Raises:
            CheckpointError: there is none, or it has no fast form.
        """
        # The loader takes a GLiClass config.json for an encoder's and warns about it at every start.
        configuration_logger = logging.getLogger("transformers.configuration_utils")
        level = configuration_logger.level
        configuration_logger.setLevel(logging.ERROR)
        try:
            loaded = AutoTokenizer.from_pretrained(str(folder), revision=revision or "main")
        except Exception as error:  # transformers raises whatever its readers raise
            raise CheckpointError(
                _unconverted(folder) or f"{folder}: the tokenizer cannot be loaded: {error}"
            ) from error
        finally:
            configuration_logger.setLevel(level)
        # Where a folder lacks the file of a vocabulary, some classes of transformers make one of special tokens alone.
        fast = isinstance(loaded, PreTrainedTokenizerFast)
        if not fast or len(loaded.get_vocab().keys() - loaded.get_added_vocab().keys()) < MIN_VOCABULARY:
            raise CheckpointError(
                _unconverted(folder) or f"{folder}: no tokenizer.json; save the tokenizer again in its fast form"
            )
        return cls(loaded.backend_tokenizer)

    @property
    def largest_id(self) -> int:
        """The highest token id that a text can yield."""
        return max(self._backend.get_vocab().values())

    @property
    def special_count(self) -> int:
        """Special tokens around every sequence."""
        return len(self.prefix) + len(self.suffix)

    def to_json(self) -> str:
        """The whole definition, equal for tokenizers that cut equally."""
        return self._definition

    def encode(self, text: str, *, marker: str | None = None) -> TokenIds:
        """Ids of `text`, without special tokens; with `marker`, of the marker and the text that follows it.

        Markers and special tokens inside `text` are read as text.
        """
        front = self._spellings.get(marker, marker) if marker else ""
        written = front + _without_surrogates(text)
        if len(written) > LONGEST_QUICK_CHARACTERS:
            (encoding,) = self._backend.encode_batch_fast([written], add_special_tokens=False)
        else:
            encoding = self._backend.encode(written, add_special_tokens=False)
        return np.asarray(encoding.ids, dtype=np.int64)

    def reading(self, text: str) -> Reading:
        """What it makes of `text`; for labels and other texts that a person wrote once."""
        ids = self.encode(text)
        blank = [not (self._backend.id_to_token(token) or "").strip(f"{WORD_STARTS} ") for token in ids.tolist()]
        unknown = int((ids == self._unknown_id).sum()) if self._unknown_id is not None else 0
        return Reading(ids, unknown=unknown, known=len(ids) - unknown - sum(blank))

    def sequence(self, *pieces: TokenIds) -> TokenIds:
        """Pieces as one sequence, between the special tokens."""
        return np.concatenate([self.prefix, *pieces, self.suffix])


def _unconverted(folder: Path) -> str | None:
    """What to do with a folder that holds a tokenizer in the form of SentencePiece or tiktoken alone."""
    others = [path for suffix in ("*.model", "*.tiktoken") for path in sorted(folder.glob(suffix))]
    if not others or (folder / "tokenizer.json").is_file():
        return None
    call = f"AutoTokenizer.from_pretrained({str(folder)!r}).save_pretrained({str(folder)!r})"
    return (
        f"{folder}: the tokenizer is there as {others[0].name} only, without tokenizer.json; convert it once, on a "
        "machine with the packages transformers, sentencepiece, protobuf and tiktoken: "
        f'python -c "from transformers import AutoTokenizer; {call}"'
    )


def _unlimited(backend: Tokenizer) -> Tokenizer:
    """One that neither truncates nor pads."""
    if backend.truncation is None and backend.padding is None:
        return backend
    copied = Tokenizer.from_str(backend.to_str())
    copied.no_truncation()
    copied.no_padding()
    return copied


def _without_surrogates(text: str) -> str:
    """Join surrogate pairs and replace lone ones by U+FFFD: the tokenizer takes valid Unicode only."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
