import json
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.reference import byte_level_tokenizer, unigram_tokenizer, wordpiece_tokenizer
from support.tokenizer_families import FAMILIES, usual
from tokenizers import AddedToken, normalizers
from transformers import PreTrainedTokenizerFast

from model.errors import CheckpointError
from model.tokenizer import EXAMPLE_MARKER, LABEL_MARKER, MARKERS, SEPARATOR_MARKER, PieceTokenizer

KINDS = {
    "wordpiece": wordpiece_tokenizer(),
    "unigram-first": unigram_tokenizer("first"),
    "unigram-always": unigram_tokenizer("always"),
    "byte-level": byte_level_tokenizer(),
    "byte-level-prefix-space": byte_level_tokenizer(add_prefix_space=True),
}
kinds = st.sampled_from(sorted(KINDS))
# Surrogates are no text for the reference; a marker is what the neutralisation tests are about.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30).filter(
    lambda text: not any(marker in text for marker in MARKERS)
)


def piecewise(kind: str) -> PieceTokenizer:
    return PieceTokenizer(KINDS[kind].backend_tokenizer)


@given(kinds, st.lists(texts, min_size=1, max_size=4), texts, st.lists(texts, max_size=2))
def test_pieces_encoded_apart_equal_the_whole_string(
    kind: str, labels: list[str], text: str, examples: list[str]
) -> None:
    tokenizer = piecewise(kind)
    pieces = [
        *(tokenizer.encode(label, marker=LABEL_MARKER) for label in labels),
        tokenizer.encode(text, marker=SEPARATOR_MARKER),
        *(tokenizer.encode(example, marker=EXAMPLE_MARKER) for example in examples),
    ]
    whole = "".join(
        [
            *(LABEL_MARKER + label for label in labels),
            SEPARATOR_MARKER + text,
            *(EXAMPLE_MARKER + example for example in examples),
        ]
    )
    assert tokenizer.sequence(*pieces).tolist() == KINDS[kind](whole)["input_ids"]


@given(kinds, texts, texts)
def test_a_text_before_the_first_marker_is_encoded_bare(kind: str, text: str, label: str) -> None:
    tokenizer = piecewise(kind)
    joined = tokenizer.sequence(tokenizer.encode(text), tokenizer.encode(label, marker=LABEL_MARKER))
    assert joined.tolist() == KINDS[kind](text + LABEL_MARKER + label)["input_ids"]


# Full-width signs, which NFKC turns into the marker.
LOOK_ALIKE = "\uff1c\uff1cLABEL\uff1e\uff1e"
hostile = st.lists(st.sampled_from([*MARKERS, "<<", ">>", "<<LAB", "EL>>", LOOK_ALIKE, "x", " "]), max_size=8)


@given(kinds, hostile, st.sampled_from([None, *MARKERS]))
def test_markers_inside_a_text_are_read_as_text(kind: str, parts: list[str], marker: str | None) -> None:
    tokenizer = piecewise(kind)
    ids = tokenizer.encode("".join(parts), marker=marker)
    reserved = np.isin(ids, list(tokenizer.marker_ids.values()))
    assert reserved.sum() == (marker is not None)
    assert marker is None or ids[0] == tokenizer.marker_ids[marker]


def test_a_look_alike_that_normalises_to_a_marker_is_read_as_text() -> None:
    forgiving = wordpiece_tokenizer()
    backend = forgiving.backend_tokenizer
    backend.normalizer = normalizers.NFKC()  # pyright: ignore[reportAttributeAccessIssue]
    backend.add_special_tokens([AddedToken(LABEL_MARKER, special=True, normalized=True)])
    label_id = backend.token_to_id(LABEL_MARKER)
    assert label_id in forgiving(LOOK_ALIKE)["input_ids"]
    tokenizer = PieceTokenizer(backend)
    assert label_id not in tokenizer.encode(f"a {LOOK_ALIKE} b")
    signs = tokenizer.encode("<<", marker=LABEL_MARKER)[1:].tolist()
    with_marker = tokenizer.encode(LOOK_ALIKE, marker=LABEL_MARKER).tolist()
    assert with_marker.count(label_id) == 1
    assert with_marker[:3] == [label_id, *signs]


def test_surrogates_become_valid_text() -> None:
    tokenizer = piecewise("byte-level")
    assert tokenizer.encode("a\ud800b").tolist() == tokenizer.encode("a\ufffdb").tolist()
    assert tokenizer.encode("\ud83d\ude00").tolist() == tokenizer.encode("\U0001f600").tolist()


def test_special_tokens_stand_around_a_sequence() -> None:
    tokenizer = piecewise("wordpiece")
    vocabulary = KINDS["wordpiece"].get_vocab()
    assert tokenizer.prefix.tolist() == [vocabulary["[CLS]"]]
    assert tokenizer.suffix.tolist() == [vocabulary["[SEP]"]]
    assert tokenizer.special_count == 2
    assert tokenizer.sequence().tolist() == KINDS["wordpiece"]("")["input_ids"]


def test_a_tokenizer_without_markers_reads_them_as_text() -> None:
    plain = wordpiece_tokenizer().backend_tokenizer.to_str()
    for marker in MARKERS:
        plain = plain.replace(f'"content":"{marker}"', f'"content":"{marker.lower()}"')
    tokenizer = PieceTokenizer(type(wordpiece_tokenizer().backend_tokenizer).from_str(plain))
    assert dict(tokenizer.marker_ids) == {}


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="the tokenizer cannot be loaded"):
        PieceTokenizer.read(tmp_path)


@pytest.mark.parametrize(
    ("name", "tokenizer_class"),
    [
        ("spiece.model", "T5Tokenizer"),
        ("sentencepiece.bpe.model", "XLMRobertaTokenizer"),
        ("spm.model", "DebertaV2Tokenizer"),
        ("tokenizer.model", "LlamaTokenizer"),
        # Files that the class does not look for: it makes an empty vocabulary and says nothing.
        ("sentencepiece.bpe.model", "T5Tokenizer"),
        ("qwen.tiktoken", "T5Tokenizer"),
    ],
)
def test_a_folder_with_another_form_of_tokenizer_is_told_how_to_convert_it(
    tmp_path: Path, name: str, tokenizer_class: str
) -> None:
    (tmp_path / name).write_bytes(b"\x0a\x0b")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": tokenizer_class}))
    with pytest.raises(
        CheckpointError, match=f"there as {name} only, without tokenizer.json; convert it once"
    ) as caught:
        PieceTokenizer.read(tmp_path)
    assert f"AutoTokenizer.from_pretrained('{tmp_path}').save_pretrained('{tmp_path}')" in str(caught.value)


def test_a_folder_without_any_vocabulary_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "T5Tokenizer"}')
    with pytest.raises(CheckpointError, match=r"no tokenizer\.json"):
        PieceTokenizer.read(tmp_path)


def test_a_saved_tokenizer_reads_back_equal(tmp_path: Path) -> None:
    saved: PreTrainedTokenizerFast = KINDS["unigram-first"]
    saved.save_pretrained(tmp_path)
    assert (
        PieceTokenizer.read(tmp_path).encode("some text").tolist()
        == piecewise("unigram-first").encode("some text").tolist()
    )


@pytest.mark.parametrize("name", FAMILIES)
def test_a_long_text_has_the_ids_that_it_would_have_if_it_were_short(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = PieceTokenizer(FAMILIES[name].build(usual).backend_tokenizer)
    text = "the covid  abc é日☃ [CLS] <s> XYZ019 .,:\n" * 3
    short = tokenizer.encode(text)
    monkeypatch.setattr("model.tokenizer.LONGEST_QUICK_CHARACTERS", 10)
    np.testing.assert_array_equal(tokenizer.encode(text), short)


def test_a_long_text_is_cut_with_the_interpreters_lock_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = PieceTokenizer(FAMILIES[next(iter(FAMILIES))].build(usual).backend_tokenizer)
    monkeypatch.setattr("model.tokenizer.LONGEST_QUICK_CHARACTERS", 10)

    class LettingGo:
        asked: ClassVar[list[str]] = []

        def encode_batch_fast(self, texts: list[str], **_: object) -> list[SimpleNamespace]:
            self.asked.extend(texts)
            return [SimpleNamespace(ids=[1, 2, 3])]

    monkeypatch.setattr(tokenizer, "_backend", LettingGo())
    assert tokenizer.encode("x" * 11).tolist() == [1, 2, 3]
    assert LettingGo.asked == ["x" * 11]
    with pytest.raises(AttributeError, match="encode"):
        tokenizer.encode("x" * 10)
