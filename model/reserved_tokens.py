"""A tokenizer whose special tokens no text can reach.

A tokenizer finds its special tokens in any text that spells them: "[CLS]" in a message is the real one. Here every
reserved token gets another spelling, which nobody knows outside this process. Ids stay as they are, and so does every
text without such a spelling.
"""

import json
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer

WORD_STARTS = "▁Ġ"
"""How SentencePiece and byte-level vocabularies write the space in front of a word."""
MARK = re.compile(rf"[{WORD_STARTS}\s]*[<\[{{|].*[>\]}}|]\s*", re.DOTALL)
"""How structure is written: between brackets or bars. An added token of another form is a word, or white space."""
SENTINEL = re.compile(rf"[{WORD_STARTS}]?(<extra_id_\d+>|<unused_?\d+>|\[unused_?\d+\]|<\|[^|\s]+\|>)")
"""Structure that some vocabularies hold without declaring it (mT5, BERT, Gemma)."""
CUSTOMARY = re.compile(rf"[{WORD_STARTS}]?(\[(PAD|UNK|CLS|SEP|MASK|BOS|EOS)\]|</?s>|<(pad|unk|mask|cls|sep|bos|eos)>)")
"""What special tokens are usually called; byte pairs may have learnt some of them from web pages, as words."""
LITERAL_BYTE = "<(?=0x[0-9A-F]{2}>)"


@dataclass(frozen=True, slots=True)
class Shielded:
    """A tokenizer that reads reserved tokens as plain text.

    Attributes:
        spellings: of each reserved token, by its published one.
        unknown_id: what stands for text that the vocabulary lacks; None where it lacks none, or drops it.
    """

    tokenizer: Tokenizer
    spellings: Mapping[str, str]
    unknown_id: int | None


def shield(definition_json: str, markers: Sequence[str]) -> Shielded:
    """The tokenizer of a definition (its JSON), shielded.

    Reserved are the markers, the special tokens (those that a sequence begins or ends with and the unknown token
    included), added tokens that are written as a mark, and entries of the vocabulary that are such a token to the
    model.
    """
    definition = json.loads(definition_json)
    model = definition["model"]
    reserved = _declared(definition) | set(markers)
    named = (SENTINEL,) if model["type"] == "BPE" else (SENTINEL, CUSTOMARY)
    entries = [piece for piece, score in _vocabulary(model) if _is_reserved_entry(piece, score, reserved, named)]
    secret = secrets.token_hex(16)
    names = sorted(reserved.union(entries))
    # Lower-case letters and digits, which no normaliser changes.
    spellings = {name: f"{secret}{index:08x}" for index, name in enumerate(names)}
    for token in definition["added_tokens"]:
        token["content"] = spellings.get(token["content"], token["content"])
    _respell(model, spellings)
    if model.get("byte_fallback"):
        definition["pre_tokenizer"] = _cutting_literal_bytes(definition["pre_tokenizer"])
    tokenizer = Tokenizer.from_str(json.dumps(definition))
    unknown = _unknown_token(model)
    return Shielded(tokenizer, spellings, None if unknown is None else tokenizer.token_to_id(unknown))


def _declared(definition: Mapping[str, Any]) -> set[str]:
    tokens = [
        token["content"] for token in definition["added_tokens"] if token["special"] or MARK.fullmatch(token["content"])
    ]
    tokens += _around_a_sequence(definition["post_processor"])
    unknown = _unknown_token(definition["model"])
    tokens += [unknown] if unknown is not None else []
    # A single character, and white space, is what texts are made of, whatever else it is used for.
    return {token for token in tokens if len(token.strip(f"{WORD_STARTS} \t\r\n")) > 1}


def _around_a_sequence(processor: Mapping[str, Any] | None) -> Iterator[str]:
    if processor is None:
        return
    for inner in processor.get("processors", ()):
        yield from _around_a_sequence(inner)
    for special in processor.get("special_tokens", {}).values():
        yield from special["tokens"]
    yield from (processor[side][0] for side in ("cls", "sep") if side in processor)


def _unknown_token(model: Mapping[str, Any]) -> str | None:
    if model["type"] == "Unigram":
        return None if model["unk_id"] is None else model["vocab"][model["unk_id"]][0]
    return model.get("unk_token")


def _vocabulary(model: Mapping[str, Any]) -> Iterator[tuple[str, float | None]]:
    """Each entry, with its log probability where the model has such."""
    if model["type"] == "Unigram":
        yield from ((piece, score) for piece, score in model["vocab"])
    else:
        yield from ((piece, None) for piece in model["vocab"])


def _is_reserved_entry(piece: str, score: float | None, reserved: set[str], named: Sequence[re.Pattern[str]]) -> bool:
    if piece in reserved or piece.lstrip(WORD_STARTS) in reserved:
        return True
    if piece[-1:] not in (">", "]", "}", "|"):
        return False
    # SentencePiece gives control and user-defined symbols the score 0, which no learnt piece has.
    declared = score == 0 and MARK.fullmatch(piece) is not None and not _is_byte(piece)
    return declared or any(names.fullmatch(piece) for names in named)


def _is_byte(piece: str) -> bool:
    return re.fullmatch(r"<0x[0-9A-F]{2}>", piece) is not None


def _respell(model: dict[str, Any], spellings: Mapping[str, str]) -> None:
    if model["type"] == "Unigram":
        model["vocab"] = [[spellings.get(piece, piece), score] for piece, score in model["vocab"]]
        return
    model["vocab"] = {spellings.get(piece, piece): token for piece, token in model["vocab"].items()}
    if model.get("unk_token") is not None:
        model["unk_token"] = spellings.get(model["unk_token"], model["unk_token"])
    if "merges" in model:
        prefix = model.get("continuing_subword_prefix") or ""
        model["merges"] = [
            [left, right]
            for left, right in model["merges"]
            if not {left, right, left + right.removeprefix(prefix)} & spellings.keys()
        ]


def _cutting_literal_bytes(pre_tokenizer: Mapping[str, Any] | None) -> dict[str, Any]:
    """Cuts "<0x0A>" behind its first character: only a byte that the vocabulary lacks may become a byte's token."""
    cut = {"type": "Split", "pattern": {"Regex": LITERAL_BYTE}, "behavior": "Isolated", "invert": False}
    return {"type": "Sequence", "pretokenizers": [*([pre_tokenizer] if pre_tokenizer else []), cut]}
