"""What people look up is there in full: no setting, metric, key or reason without its line."""

import json
import re
from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from schemas import records
from schemas.errors import model_at
from schemas.policy import Calibration, LongText, PolicyFile, Route, Task, TenantPolicy
from schemas.records import DeadLetterReason, EnrichedRecord, SourceCoordinates, TaskResult
from schemas.settings import Settings
from worker.batching.batch import BatchReason
from worker.telemetry.metrics import Metrics


def settings_of(model: type[BaseModel], above: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        below = model_at(model, (name,))
        if below is None:
            yield above + name, field
        else:
            yield from settings_of(below, f"{above}{name}.")


def default_of(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    written = field.default if isinstance(field.default, str) and field.default.strip() else json.dumps(field.default)
    return f"`{written.removesuffix('.0')}`"


def test_every_setting_has_its_line_and_its_default(pages: dict[str, str]) -> None:
    lines = [f"\n| `{name}` | {default_of(field)}" for name, field in settings_of(Settings)]
    assert [line for line in lines if line not in pages["docs/configuration.md"]] == []


def test_every_metric_has_its_line_and_its_labels(pages: dict[str, str]) -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    labels = {each._name: each._labelnames for each in vars(metrics).values() if hasattr(each, "_labelnames")}
    lines = [
        f"\n| `{family.name}{'_total' if family.type == 'counter' else ''}` | "
        + "".join(f"`{label}`, " for label in labels[family.name]).removesuffix(", ")
        for family in registry.collect()
        if family.name.startswith("gliclass_")
    ]
    assert len(lines) == len(labels)
    assert [line for line in lines if line not in pages["docs/operating.md"]] == []


def test_every_reason_of_a_batch_has_its_line(pages: dict[str, str]) -> None:
    assert [reason for reason in BatchReason if f"\n| `{reason}` | " not in pages["docs/operating.md"]] == []


def test_every_key_of_a_policy_has_its_line(pages: dict[str, str]) -> None:
    page = pages["docs/policies.md"]
    keys = [key for model in (PolicyFile, TenantPolicy, Task, Route, LongText) for key in model.model_fields]
    assert [key for key in keys if f"\n| `{key}` | " not in page] == []
    assert [key for key in Calibration.model_fields if f"`{key}`" not in page] == []


def test_every_field_of_a_record_has_its_line(pages: dict[str, str]) -> None:
    page = pages["docs/formats.md"]
    assert [field for field in EnrichedRecord.model_fields if f"\n| `{field}` | " not in page] == []
    assert [field for field in TaskResult.model_fields if f"\n| `tasks.….{field}` | " not in page] == []
    assert [field for field in SourceCoordinates.model_fields if f"`{field}`" not in page] == []


def test_every_reason_of_dead_letters_has_its_line(pages: dict[str, str]) -> None:
    assert [reason for reason in DeadLetterReason if f"\n| `{reason}` | " not in pages["docs/formats.md"]] == []


def test_every_header_is_named(pages: dict[str, str]) -> None:
    headers = [value for name, value in vars(records).items() if name.startswith("HEADER_")]
    assert len(headers) > 10
    assert [header for header in headers if f"`{header}`" not in pages["docs/formats.md"]] == []


def test_every_figure_of_the_readme_is_one_that_its_page_has(pages: dict[str, str]) -> None:
    measured = pages["docs/measured.md"] + pages["docs/delivery.md"]
    rows = re.findall(r"^\| .+ \| (.+) \| `.+` \|$", pages["README.md"], re.MULTILINE)
    figures = [figure for row in rows for figure in re.findall(r"[\d.,]*\d", row)]
    assert len(rows) > 4
    assert [figure for figure in figures if not re.search(rf"(?<![\d.,]){re.escape(figure)}(?![\d,])", measured)] == []
