"""A checkpoint's tokenizer, piece by piece, with reserved markers that no text can forge."""

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from model.errors import CheckpointError

TokenIds = NDArray[np.int64]

LABEL_MARKER = "<<LABEL>>"
SEPARATOR_MARKER = "<<SEP>>"
EXAMPLE_MARKER = "<<EXAMPLE>>"
MARKERS = (LABEL_MARKER, SEPARATOR_MARKER, EXAMPLE_MARKER)
NOTHING: TokenIds = np.zeros(0, dtype=np.int64)


class PieceTokenizer:
    """Token ids of pieces of text. Safe to use from several threads.

    A sequence tokenised in one go equals the concatenation of its pieces, each encoded together with the marker that
    begins it: markers cut the text before anything else happens. That is what lets label prompts be tokenised once.

    Attributes:
        prefix, suffix: the special tokens around a sequence, such as [CLS] and [SEP].
        marker_ids: the reserved markers that are tokens of this tokenizer, by their text.
    """

    def __init__(self, backend: Tokenizer) -> None:
        self._backend = Tokenizer.from_str(backend.to_str())
        self._backend.no_truncation()
        self._backend.no_padding()
        found = {marker: self._backend.token_to_id(marker) for marker in MARKERS}
        self.marker_ids: Mapping[str, int] = {marker: token for marker, token in found.items() if token is not None}
        self._lowest_marker = min(self.marker_ids.values(), default=np.iinfo(np.int64).max)
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
            raise CheckpointError(f"{folder}: the tokenizer cannot be loaded: {error}") from error
        finally:
            configuration_logger.setLevel(level)
        if not isinstance(loaded, PreTrainedTokenizerFast):
            raise CheckpointError(f"{folder}: no tokenizer.json; save the tokenizer again in its fast form")
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
        return self._backend.to_str()

    def encode(self, text: str, *, marker: str | None = None) -> TokenIds:
        """Ids of `text`, without special tokens; with `marker`, of the marker and the text that follows it.

        A reserved marker inside `text` is broken up and read as text.
        """
        broken = _without_surrogates(self._broken(text))
        ids = np.asarray(self._backend.encode((marker or "") + broken, add_special_tokens=False).ids, dtype=np.int64)
        return self._only_own_marker(ids, has_marker=marker in self.marker_ids)

    def sequence(self, *pieces: TokenIds) -> TokenIds:
        """Pieces as one sequence, between the special tokens."""
        return np.concatenate([self.prefix, *pieces, self.suffix])

    def _broken(self, text: str) -> str:
        if "<<" not in text:
            return text
        for marker in self.marker_ids:
            text = text.replace(marker, f"{marker[:2]} {marker[2:]}")
        return text

    def _only_own_marker(self, ids: TokenIds, *, has_marker: bool) -> TokenIds:
        # A tokenizer whose markers match after normalisation finds them in look-alikes (full-width signs under NFKC).
        text = ids[1:] if has_marker else ids
        if not (text >= self._lowest_marker).any():
            return ids
        forged = np.isin(text, list(self.marker_ids.values()))
        return np.concatenate([ids[: len(ids) - len(text)], text[~forged]]) if forged.any() else ids


def _without_surrogates(text: str) -> str:
    """Join surrogate pairs and replace lone ones by U+FFFD: the tokenizer takes valid Unicode only."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
