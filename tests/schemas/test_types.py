import os
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from schemas.types import DeviceName, UserPath, comma_separated, has_half_pair, plain_name


@pytest.mark.parametrize(
    ("written", "read"),
    [("a, b,,c ", ["a", "b", "c"]), ('["a,b", "c"]', ["a,b", "c"]), (["a"], ["a"]), ("", []), (7, 7)],
)
def test_lists_come_separated_by_commas_or_as_json(written: object, read: object) -> None:
    assert comma_separated(written) == read


@pytest.mark.parametrize("name", ["", " ", " a", "a\n", "a\x00b", "a\x9fb", "a\ud83d"])
def test_names_that_nobody_could_read_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"empty|white space|control character"):
        plain_name(name)


@pytest.mark.parametrize("name", ["a", "a b", "naïve 😀", "a\u00a0b"])
def test_readable_names_pass(name: str) -> None:
    assert plain_name(name) == name


def test_half_a_pair_is_told_from_a_whole_character() -> None:
    assert has_half_pair("a\ude00")
    assert not has_half_pair("😀")


def test_a_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert TypeAdapter(UserPath).validate_python("~/policies.yaml") == Path("/home/me/policies.yaml")
    assert TypeAdapter(UserPath).validate_python("/etc/~/x") == Path("/etc/~/x")


def test_a_tilde_without_a_home_is_refused_by_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(path: str) -> str:
        return path

    monkeypatch.setattr(os.path, "expanduser", nobody)
    with pytest.raises(ValidationError, match=r"'~/policies.yaml': .* write the whole path"):
        TypeAdapter(UserPath).validate_python("~/policies.yaml")


@pytest.mark.parametrize("written", ["gpu", "cuda:", "cpu ", "CPU", "cuda:a"])
def test_a_device_that_is_none_is_answered_with_those_there_are(written: str) -> None:
    with pytest.raises(ValidationError, match=f"'{written}' is not understood: write auto, cpu, mps, cuda"):
        TypeAdapter(DeviceName).validate_python(written)
