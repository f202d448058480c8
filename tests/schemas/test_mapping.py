from typing import Any

import pytest
from pydantic import ValidationError

from schemas.errors import error_lines
from schemas.mapping import InputMapping
from schemas.settings import InputSettings


def lines_of(written: dict[str, Any]) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        InputMapping.model_validate(written)
    return error_lines(caught.value, InputMapping)


def test_by_default_text_and_tenant_are_fields_of_those_names() -> None:
    mapping = InputMapping()
    assert (mapping.text, mapping.tenant.field) == (["text"], "tenant")


def test_one_text_field_needs_no_list() -> None:
    assert InputMapping.model_validate({"text": "ticket.subject, ticket.body"}).text == [
        "ticket.subject",
        "ticket.body",
    ]


@pytest.mark.parametrize(
    ("written", "line"),
    [
        ({"tenant": {}}, "tenant: needs exactly one of field, header, key, constant; none given"),
        (
            {"tenant": {"field": "a", "header": "b"}},
            "tenant: needs exactly one of field, header, key, constant; field and header given",
        ),
        ({"id": {"field": "a", "key": True}}, "id: needs exactly one of field, header, key; field and key given"),
        ({"id": {"constant": "a"}}, "id: unknown key 'constant'; known: field, header, key"),
        ({"event_time": {"unit": "seconds"}}, "event_time: needs exactly one of field, header; none given"),
        ({"tenant": {"constant": " "}}, "tenant.constant: is empty: give it a name"),
        ({"format": "text", "text": ["a"]}, "text: format text has no fields; remove it or set format: json"),
        ({"format": "text"}, "tenant: format text has no fields; take it from a header instead"),
        (
            {"format": "text", "tenant": {"key": True}, "id": {"field": "a"}},
            "id: format text has no fields; take it from a header instead",
        ),
    ],
)
def test_a_mapping_that_contradicts_itself_is_refused(written: dict[str, Any], line: str) -> None:
    assert line in lines_of(written)


@pytest.mark.parametrize("path", ["", ".", "a.", ".a", "a..b"])
def test_a_path_with_an_empty_part_is_refused(path: str) -> None:
    assert (
        lines_of({"text": [path]})[0]
        == f"text.0: {path!r} is not understood: write keys joined by dots, ticket.subject"
    )


def test_plain_text_takes_its_tenant_from_elsewhere() -> None:
    assert InputMapping.model_validate({"format": "text", "tenant": {"header": "tenant"}}).format == "text"


def test_a_text_without_fields_has_none_to_skip_by() -> None:
    with pytest.raises(ValidationError, match=r"only skip\.null_values goes with it"):
        InputSettings.model_validate(
            {
                "topics": ["in"],
                "mapping": {"format": "text", "tenant": {"key": True}},
                "skip": {"fields": {"op": ["d"]}},
            }
        )
    read = InputSettings.model_validate(
        {"topics": ["in"], "mapping": {"format": "text", "tenant": {"key": True}}, "skip": {"null_values": True}}
    )
    assert read.skip.null_values
