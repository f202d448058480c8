import pytest
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from schemas.errors import error_lines, model_at, nearest_name, unknown_name


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    colour: int
    secret: SecretStr | None = None


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    inner: Inner | None = None
    many: dict[str, list[Inner]] = {}


def lines_of(written: object) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(written)
    return error_lines(caught.value, Outer)


@pytest.mark.parametrize(("name", "nearest"), [("treshold", "threshold"), ("Max-Tokens", "max_tokens"), ("xyz", None)])
def test_the_nearest_name_is_found_across_typing_and_spelling_habits(name: str, nearest: str | None) -> None:
    assert nearest_name(name, ["threshold", "max_tokens"]) == nearest


def test_without_a_near_name_the_known_ones_are_listed_up_to_twenty() -> None:
    assert unknown_name("key", "q", ["alpha", "beta"]) == "unknown key 'q'; known: alpha, beta"
    assert unknown_name("key", "q", [f"name{n}" for n in range(30)]).endswith("name19, …")


@pytest.mark.parametrize(
    ("written", "line"),
    [
        ({"inner": {"colour": 1, "color": 2}}, "inner: unknown key 'color'; did you mean 'colour'?"),
        ({"many": {"a": [{"colour": 1, "colr": 2}]}}, "many.a.0: unknown key 'colr'; did you mean 'colour'?"),
        ({"iner": {}}, "unknown key 'iner'; did you mean 'inner'?"),
        ({"inner": {}}, "inner.colour: is required"),
        ({"inner": 3}, "inner: must be a mapping of keys to values"),
    ],
)
def test_a_line_names_the_place_and_the_nearest_known_name(written: object, line: str) -> None:
    assert lines_of(written) == [line]


def test_a_refused_value_is_never_shown() -> None:
    assert "hunter2" not in "".join(lines_of({"inner": {"colour": "hunter2", "secret": ["hunter2"]}}))


def test_a_location_outside_any_model_has_none() -> None:
    assert model_at(Outer, ("many", "a", 0)) is Inner
    assert model_at(Outer, ("inner", "colour")) is None
    assert model_at(Outer, ("nothing",)) is None
