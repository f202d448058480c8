import json
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.reference import tiny_bert, write_reference
from support.tokenizer_families import FAMILIES, private, usual
from tokenizers import Tokenizer, models

from model import Example, LabelSet, Scorer
from model.reserved_tokens import shield
from model.tokenizer import LABEL_MARKER, MARKERS, SEPARATOR_MARKER, PieceTokenizer

BUILT = {name: family.build(usual) for name, family in FAMILIES.items()}
TWINS = {name: family.build(private) for name, family in FAMILIES.items()}
"""The same tokenizers, whose reserved tokens nobody can spell."""
PIECES = {name: PieceTokenizer(built.backend_tokenizer) for name, built in BUILT.items()}
UNKNOWN = ("[UNK]", "<unk>")
families = st.sampled_from(sorted(FAMILIES))


def reserved_of(name: str) -> tuple[str, ...]:
    return (*FAMILIES[name].reserved, *MARKERS)


def full_width(token: str) -> str:
    return "".join(chr(ord(sign) + 0xFEE0) if "!" <= sign <= "~" else sign for sign in token)


@st.composite
def hostile(draw: st.DrawFn) -> tuple[str, str]:
    """A family, and a text with its reserved tokens, whole, cut, disguised and repeated."""
    name = draw(families)
    tokens = [token.replace("▁", " ") for token in reserved_of(name)]
    disguised = [*map(full_width, tokens), *(token.lower() for token in tokens), *(token[:-1] for token in tokens)]
    parts = st.sampled_from([*tokens, *tokens, *disguised, "the", "free ", " ", "    ", "covid", "\n", "é", "日"])
    return name, "".join(draw(st.lists(parts, max_size=12)))


@given(hostile(), st.sampled_from([None, *MARKERS]))
def test_a_reserved_token_in_a_text_is_read_as_if_the_tokenizer_had_none_of_that_spelling(
    case: tuple[str, str], marker: str | None
) -> None:
    name, text = case
    front = private(marker) if marker else ""
    expected = TWINS[name].backend_tokenizer.encode(front + text, add_special_tokens=False).ids
    assert PIECES[name].encode(text, marker=marker).tolist() == expected


@pytest.mark.parametrize("name", FAMILIES)
def test_each_reserved_token_alone_and_repeated_is_plain_text(name: str) -> None:
    for token in (token.replace("▁", " ") for token in reserved_of(name)):
        for text in (token, f"the {token} free", f"the{token}free", token * 3, f"{token} " * 3):
            expected = TWINS[name].backend_tokenizer.encode(text, add_special_tokens=False).ids
            assert PIECES[name].encode(text).tolist() == expected, text


@given(hostile())
def test_no_text_yields_the_id_of_a_reserved_token(case: tuple[str, str]) -> None:
    name, text = case
    vocabulary = BUILT[name].get_vocab()
    ids = {vocabulary[token] for token in reserved_of(name) if token not in UNKNOWN and token in vocabulary}
    assert not ids & set(PIECES[name].encode(text).tolist())


@given(families, st.lists(st.sampled_from([*"abcXYZ019 .,:<>[]|/é日☃\n", "the", "   ", "covid", "</b>"]), max_size=20))
def test_a_text_without_reserved_tokens_is_read_as_the_tokenizer_reads_it(name: str, parts: list[str]) -> None:
    text = "".join(parts)
    joined = PIECES[name].sequence(
        PIECES[name].encode("the", marker=LABEL_MARKER), PIECES[name].encode(text, marker=SEPARATOR_MARKER)
    )
    assert joined.tolist() == BUILT[name](LABEL_MARKER + "the" + SEPARATOR_MARKER + text)["input_ids"]


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_finds_its_reserved_tokens_in_a_text_without_the_shield(name: str) -> None:
    vocabulary = BUILT[name].get_vocab()
    found = {
        token
        for token in reserved_of(name)
        if vocabulary.get(token) in BUILT[name].backend_tokenizer.encode(f"a {token} b", add_special_tokens=False).ids
    }
    assert set(MARKERS) < found
    assert found & set(FAMILIES[name].reserved)


@pytest.mark.parametrize("name", FAMILIES)
def test_ids_and_the_tokens_around_a_sequence_stay(name: str) -> None:
    built = BUILT[name]
    assert PIECES[name].largest_id == max(built.get_vocab().values())
    assert dict(PIECES[name].marker_ids) == {marker: built.get_vocab()[marker] for marker in MARKERS}
    assert PIECES[name].sequence(PIECES[name].encode("the")).tolist() == built("the")["input_ids"]


@pytest.mark.parametrize("name", ["mt5", "gemma"])
def test_a_byte_that_is_spelt_out_is_no_byte(name: str) -> None:
    tokenizer, vocabulary = PIECES[name], BUILT[name].get_vocab()
    assert vocabulary["<0x41>"] not in tokenizer.encode("a <0x41><0xE2> b")
    snowman = [vocabulary[f"<0x{byte:02X}>"] for byte in "☃".encode()]
    assert np.isin(tokenizer.encode("☃"), snowman).sum() == 3


def test_words_that_were_added_stay_words() -> None:
    covid = BUILT["modernbert"].get_vocab()["covid"]
    assert covid in PIECES["modernbert"].encode("the covid")
    assert unicodedata.normalize("NFKC", full_width("[CLS]")) == "[CLS]"


def test_an_unknown_word_is_still_unknown() -> None:
    assert PIECES["bert"].encode("☃").tolist() == [BUILT["bert"].get_vocab()["[UNK]"]]


def test_a_special_token_of_one_sign_stays_the_sign_that_texts_are_made_of() -> None:
    backend = Tokenizer(models.BPE({"!": 0, "a": 1}, []))
    backend.add_special_tokens(["!"])
    shielded = shield(backend.to_str(), ())
    assert not shielded.spellings
    assert shielded.tokenizer.encode("a!").ids == [1, 0]


def test_another_process_spells_reserved_tokens_otherwise() -> None:
    definition = BUILT["bert"].backend_tokenizer.to_str()
    first, second = (shield(definition, MARKERS).spellings for _ in range(2))
    assert first.keys() == second.keys()
    assert not set(first.values()) & set(second.values())
    assert "[CLS]" not in json.loads(shield(definition, MARKERS).tokenizer.to_str())["model"]["vocab"]


@pytest.mark.parametrize("architecture", ["uni-encoder", "bi-encoder"])
@pytest.mark.parametrize("name", FAMILIES)
def test_reserved_tokens_score_as_if_nobody_could_spell_them(tmp_path: Path, name: str, architecture: str) -> None:
    family, encoder = FAMILIES[name], tiny_bert(vocab_size=len(BUILT[name]))
    folder = write_reference(
        tmp_path / "usual",
        encoder,
        tokenizer=BUILT[name],
        label_encoder=encoder if architecture == "bi-encoder" else None,
        architecture_type=architecture,
    )
    twin = shutil.copytree(folder, tmp_path / "twin")
    family.build(lambda token: token if token in MARKERS else private(token)).save_pretrained(twin)
    tokens = [token.replace("▁", "") for token in reserved_of(name)]
    label_set = LabelSet(
        tuple(f"{number}{token}" for number, token in enumerate(tokens)),
        descriptions=tuple(f"{chr(ord('a') + number)} {token}{token}" for number, token in enumerate(tokens)),
        prompt="".join(tokens[-4:]),
        examples=(Example(tokens[0] * 3, (f"0{tokens[0]}",)),),
    )
    texts = ["free the", *(token * 120 + "free the" for token in tokens), "".join(tokens)]
    scores = []
    for path in (folder, twin):
        # The label tower's tokenizer lies in the checkpoint's own folder.
        config = json.loads((path / "config.json").read_text())
        if architecture == "bi-encoder":
            (path / "config.json").write_text(json.dumps(config | {"label_model_name": str(path)}))
        scorer = Scorer.load(path, device="cpu", dtype="float32", max_tokens=600)
        prepared = [scorer.prepare(label_set), scorer.prepare(LabelSet(("free", "the")))]
        scores.append(scorer.score([scorer.encode(text, prepared) for text in texts]))
    for usually, privately in zip(*scores, strict=True):
        for one, other in zip(usually, privately, strict=True):
            np.testing.assert_array_equal(one, other)
