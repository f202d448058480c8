import pytest

from schemas.types import comma_separated, has_half_pair, plain_name


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
