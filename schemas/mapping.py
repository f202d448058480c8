"""Where a record holds its text, tenant, id and time: input mapping without code."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_settings import NoDecode

from schemas.types import FieldPath, PlainName, SettingsModel, comma_separated

_KINDS = ("field", "header", "key", "constant")


def _exactly_one_of(source: Any, kinds: tuple[str, ...]) -> Any:
    given = [kind for kind in kinds if getattr(source, kind) is not None]
    if len(given) != 1:
        names = " and ".join(given) if given else "none"
        raise ValueError(f"needs exactly one of {', '.join(kinds)}; {names} given")
    return source


class TenantSource(SettingsModel):
    """Exactly one place that names the tenant."""

    field: FieldPath | None = Field(default=None, description="Path in the JSON value; a string or a whole number.")
    header: str | None = Field(default=None, min_length=1, description="Record header, in UTF-8.")
    key: Literal[True] | None = Field(default=None, description="true: the record's key is the tenant, in UTF-8.")
    constant: PlainName | None = Field(default=None, description="Every record belongs to this tenant.")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        return _exactly_one_of(self, _KINDS)


class IdSource(SettingsModel):
    """Exactly one place that holds the record's own id."""

    field: FieldPath | None = Field(default=None, description="Path in the JSON value; a string or a whole number.")
    header: str | None = Field(default=None, min_length=1)
    key: Literal[True] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        return _exactly_one_of(self, _KINDS[:3])


class EventTimeSource(SettingsModel):
    """Exactly one place that holds the record's own time, from which its latency budget then runs."""

    field: FieldPath | None = None
    header: str | None = Field(default=None, min_length=1)
    unit: Literal["milliseconds", "seconds", "iso8601"] = Field(
        default="milliseconds", description="Since 1970 UTC, or ISO 8601 (UTC where it names no zone)."
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        return _exactly_one_of(self, _KINDS[:2])


class SkipRules(SettingsModel):
    """Records that are passed over: that they hold no text is no error. They are counted, and make no dead letter."""

    null_values: bool = Field(default=False, description="true: records whose value is null (tombstones).")
    missing_text: bool = Field(
        default=False, description="true: JSON values that hold nothing, or null, at every path of input.mapping.text."
    )
    fields: dict[FieldPath, list[str | int | bool | None]] = Field(
        default={}, description="path: values. JSON values that hold one of these there, as op: [d]."
    )


class InputMapping(SettingsModel):
    """How an input record is read."""

    format: Literal["json", "text"] = Field(default="json", description="text: the whole value is the text, in UTF-8.")
    text: Annotated[list[FieldPath], NoDecode, BeforeValidator(comma_separated)] = Field(
        default=["text"], min_length=1, description="Paths of the text; several are joined, absent ones left out."
    )
    separator: str = Field(default="\n", description="Between several text fields.")
    tenant: TenantSource = TenantSource(field="tenant")
    id: IdSource | None = Field(default=None, description="Copied to source.id of the output record.")
    event_time: EventTimeSource | None = Field(
        default=None, description="Default: Kafka's timestamp, also where the record's own cannot be read."
    )

    @model_validator(mode="after")
    def _text_has_no_fields(self) -> Self:
        if self.format == "text":
            if "text" in self.model_fields_set:
                raise ValueError("text: format text has no fields; remove it or set format: json")
            for name in ("tenant", "id", "event_time"):
                source: Any = getattr(self, name)
                if source is not None and source.field is not None:
                    raise ValueError(f"{name}: format text has no fields; take it from a header instead")
        return self
