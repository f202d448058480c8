"""Small tokenizers, each built as a family of published checkpoints builds its own; special tokens spelt at will."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from model.tokenizer import MARKERS

Spell = Callable[[str], str]
"""The spelling of a reserved token, given its usual one."""

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,:;!?<>[]{}()|/_-'ABCDEFGHIJKLMNOPQRSTUVWXYZ"
WORDS = ("the", "ing", "free", "CL", "SE", "sep", "cls", "id", "extra", "im", "start", "think", "0x", "</", "<|", "|>")


def usual(name: str) -> str:
    """The spelling that everybody knows."""
    return name


def private(name: str) -> str:
    """A spelling that no text of these tests has."""
    return "qz" + name.encode().hex() + "qz"


@dataclass(frozen=True)
class Family:
    """A way of cutting texts.

    Attributes:
        build: the tokenizer; what it is told is how reserved tokens are spelt.
        reserved: the usual spelling of every reserved token beside the markers.
    """

    build: Callable[[Spell], PreTrainedTokenizerFast]
    reserved: tuple[str, ...]


def _finished(
    backend: Tokenizer,
    spell: Spell,
    *,
    begin: str | None,
    end: str | None,
    added: Iterable[AddedToken] = (),
) -> PreTrainedTokenizerFast:
    backend.add_tokens(list(added))
    around = [spell(name) for name in (begin, end) if name]
    backend.post_processor = processors.TemplateProcessing(
        single=" ".join(filter(None, [begin and spell(begin), "$A", end and spell(end)])),
        special_tokens=[(name, backend.token_to_id(name)) for name in around],
    )
    backend.add_special_tokens([AddedToken(spell(marker), special=True, normalized=False) for marker in MARKERS])
    return PreTrainedTokenizerFast(tokenizer_object=backend)


def _special(spell: Spell, names: Iterable[str], **flags: bool) -> list[AddedToken]:
    return [AddedToken(spell(name), special=True, normalized=False, **flags) for name in names]


def _words(spell: Spell, specials: Iterable[str], more: Iterable[str]) -> dict[str, int]:
    return {word: index for index, word in enumerate(dict.fromkeys([*map(spell, specials), *more]))}


def _unigram(spell: Spell, specials: tuple[str, ...], unknown: str, **options: bool) -> Tokenizer:
    """Special pieces with the score 0, as SentencePiece writes them."""
    learnt = dict.fromkeys(
        ["▁", *LETTERS, *WORDS, *(f"▁{letter}" for letter in LETTERS), *(f"▁{word}" for word in WORDS)]
    )
    pieces = [(spell(name), 0.0) for name in specials]
    pieces += [(piece, -2.0 - index / 50 + len(piece)) for index, piece in enumerate(learnt) if piece not in specials]
    pieces += [(f"<0x{byte:02X}>", 0.0) for byte in range(256)] if options.get("byte_fallback") else []
    backend = Tokenizer(models.Unigram(pieces, unk_id=specials.index(unknown), **options))
    backend.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    return backend


def _merged(words: Iterable[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """What byte pairs need for these words: pieces, and merges from left to right."""
    pieces: dict[str, None] = {}
    merges: dict[tuple[str, str], None] = {}
    for word in words:
        for end in range(2, len(word) + 1):
            pieces[word[:end]] = None
            merges[word[: end - 1], word[end - 1]] = None
    return list(pieces), list(merges)


def _byte_level(spell: Spell, in_vocabulary: tuple[str, ...], unknown: str | None = None) -> Tokenizer:
    pieces, merges = _merged(["the", "Ġthe", "ing", "CLS", "Ġfree", "star", "</", "think", "ĠĠ"])
    vocabulary = _words(spell, in_vocabulary, [*sorted(pre_tokenizers.ByteLevel.alphabet()), *pieces])
    backend = Tokenizer(models.BPE(vocabulary, merges, unk_token=unknown and spell(unknown)))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return backend


BERT_SPECIALS = ("[PAD]", "[unused0]", "[unused99]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def bert(spell: Spell) -> PreTrainedTokenizerFast:
    """WordPiece, lower-cased; [unused0] is an entry of the vocabulary alone."""
    words = _words(spell, BERT_SPECIALS, [*LETTERS, *WORDS, *(f"##{letter}" for letter in LETTERS)])
    backend = Tokenizer(models.WordPiece(words, unk_token=spell("[UNK]")))
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    added = _special(spell, ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"))
    return _finished(backend, spell, begin="[CLS]", end="[SEP]", added=added)


def bert_normalized(spell: Spell) -> PreTrainedTokenizerFast:
    """As `bert`, with special tokens that match after normalisation: in lower case, and of full width."""
    words = _words(spell, BERT_SPECIALS, [*LETTERS, *WORDS, *(f"##{letter}" for letter in LETTERS)])
    backend = Tokenizer(models.WordPiece(words, unk_token=spell("[UNK]")))
    backend.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    added = [AddedToken(spell(name), special=True, normalized=True) for name in ("[CLS]", "[SEP]", "[MASK]")]
    return _finished(backend, spell, begin="[CLS]", end="[SEP]", added=added)


def words_at_spaces(spell: Spell) -> PreTrainedTokenizerFast:
    """Whole words: the model itself finds a special token that stands between spaces."""
    words = _words(spell, BERT_SPECIALS, [*LETTERS, *WORDS])
    backend = Tokenizer(models.WordLevel(words, unk_token=spell("[UNK]")))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return _finished(backend, spell, begin="[CLS]", end="[SEP]", added=_special(spell, ("[PAD]", "[UNK]")))


def deberta(spell: Spell) -> PreTrainedTokenizerFast:
    """Unigram, whose own vocabulary holds the special tokens at the best of scores."""
    backend = _unigram(spell, ("[PAD]", "[CLS]", "[SEP]", "[UNK]"), "[UNK]")
    added = [*_special(spell, ("[PAD]", "[CLS]", "[SEP]", "[UNK]")), *_special(spell, ("[MASK]",), lstrip=True)]
    return _finished(backend, spell, begin="[CLS]", end="[SEP]", added=added)


def xlm_roberta(spell: Spell) -> PreTrainedTokenizerFast:
    """Unigram; <s> and </s> are found by the model and not declared."""
    backend = _unigram(spell, ("<s>", "<pad>", "</s>", "<unk>"), "<unk>")
    return _finished(backend, spell, begin="<s>", end="</s>", added=_special(spell, ("<mask>",), lstrip=True))


def t5(spell: Spell) -> PreTrainedTokenizerFast:
    """Unigram with a token at the end alone, and sentinels that are added tokens."""
    backend = _unigram(spell, ("<pad>", "</s>", "<unk>"), "<unk>")
    added = _special(spell, ("<pad>", "</s>", "<unk>", "<extra_id_0>", "<extra_id_99>"))
    return _finished(backend, spell, begin=None, end="</s>", added=added)


def mt5(spell: Spell) -> PreTrainedTokenizerFast:
    """Unigram with byte fallback and sentinels that are entries of the vocabulary, undeclared."""
    sentinels = ("▁<extra_id_0>", "▁<extra_id_99>")
    backend = _unigram(spell, ("<pad>", "</s>", "<unk>", *sentinels), "<unk>", byte_fallback=True)
    return _finished(backend, spell, begin=None, end="</s>", added=_special(spell, ("<pad>", "</s>", "<unk>")))


def modernbert(spell: Spell) -> PreTrainedTokenizerFast:
    """Byte pairs with added tokens that are no special ones: runs of spaces, words, placeholders."""
    backend = _byte_level(spell, ("|||IP_ADDRESS|||", "<|padding|>"))
    plain = [AddedToken(run, special=False, normalized=True) for run in ("    ", "   ", "covid")]
    marks = [AddedToken(spell(name), normalized=False) for name in ("|||IP_ADDRESS|||", "[unused0]")]
    specials = _special(spell, ("<|padding|>", "<|endoftext|>", "[UNK]", "[CLS]", "[SEP]", "[PAD]"))
    added = [*plain, *marks, *specials, *_special(spell, ("[MASK]",), lstrip=True)]
    return _finished(backend, spell, begin="[CLS]", end="[SEP]", added=added)


def roberta(spell: Spell) -> PreTrainedTokenizerFast:
    """Byte pairs whose vocabulary holds the special tokens, with a processor of its own kind."""
    backend = _byte_level(spell, ("<s>", "<pad>", "</s>", "<unk>", "<mask>"), "<unk>")
    finished = _finished(backend, spell, begin="<s>", end="</s>", added=_special(spell, ("<mask>",), lstrip=True))
    inner = finished.backend_tokenizer
    vocabulary = inner.get_vocab()
    end, begin = ((spell(name), vocabulary[spell(name)]) for name in ("</s>", "<s>"))
    inner.post_processor = processors.RobertaProcessing(end, begin)  # pyright: ignore[reportAttributeAccessIssue]
    return finished


def qwen(spell: Spell) -> PreTrainedTokenizerFast:
    """Byte pairs without anything around a sequence; chat and tool tokens, some of them not special."""
    backend = _byte_level(spell, ())
    backend.normalizer = normalizers.NFC()
    marks = [AddedToken(spell(name), normalized=False) for name in ("<think>", "</think>", "<tool_call>")]
    added = [*_special(spell, ("<|endoftext|>", "<|im_start|>", "<|im_end|>")), *marks]
    return _finished(backend, spell, begin=None, end=None, added=added)


def gemma(spell: Spell) -> PreTrainedTokenizerFast:
    """SentencePiece byte pairs with byte fallback, and merges that lead to the special tokens."""
    specials = ("<pad>", "<s>", "</s>", "<unk>", "<unused0>")
    pieces, merges = _merged(["▁the", "ing", *specials, "▁▁", "<0x41>"])
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    vocabulary = _words(
        spell, specials, [*bytes_, "▁", *LETTERS, *(piece for piece in pieces if piece not in specials)]
    )
    merges = [pair for pair in merges if "".join(pair) in vocabulary]
    model = models.BPE(vocabulary, merges, unk_token=spell("<unk>"), byte_fallback=True, fuse_unk=True)
    backend = Tokenizer(model)
    backend.normalizer = normalizers.Replace(" ", "▁")
    plain = [AddedToken("▁▁", special=False, normalized=False)]
    added = [*_special(spell, ("<pad>", "<s>", "</s>", "<unk>", "<start_of_turn>")), *plain]
    return _finished(backend, spell, begin="<s>", end=None, added=added)


FAMILIES = {
    "bert": Family(bert, BERT_SPECIALS),
    "bert-normalized": Family(bert_normalized, BERT_SPECIALS),
    "words": Family(words_at_spaces, BERT_SPECIALS),
    "deberta": Family(deberta, ("[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]")),
    "xlm-roberta": Family(xlm_roberta, ("<s>", "<pad>", "</s>", "<unk>", "<mask>")),
    "t5": Family(t5, ("<pad>", "</s>", "<unk>", "<extra_id_0>", "<extra_id_99>")),
    "mt5": Family(mt5, ("<pad>", "</s>", "<unk>", "▁<extra_id_0>", "▁<extra_id_99>")),
    "modernbert": Family(
        modernbert,
        ("|||IP_ADDRESS|||", "[unused0]", "<|padding|>", "<|endoftext|>", "[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"),
    ),
    "roberta": Family(roberta, ("<s>", "<pad>", "</s>", "<unk>", "<mask>")),
    "qwen": Family(qwen, ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>", "<tool_call>")),
    "gemma": Family(gemma, ("<pad>", "<s>", "</s>", "<unk>", "<unused0>", "<start_of_turn>")),
}
