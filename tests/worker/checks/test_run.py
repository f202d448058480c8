from pathlib import Path
from typing import Any

import pytest
import yaml
from support.reference import tiny_bert, write_reference
from support.tiny_checkpoint import write_tiny_checkpoint

from worker.checks.result import CheckResult, Outcome
from worker.checks.run import run_checks

POLICIES = """
tenants:
  acme: {tasks: {queue: {mode: single, labels: [billing, shipping]}, abuse: {mode: multi, labels: [threat]}}}
"""


class Folder:
    """A configuration on disk whose brokers are away."""

    def __init__(self, path: Path) -> None:
        self.config = path / "config.yaml"
        self.policies = path / "policies.yaml"
        self.policies.write_text(POLICIES)
        self.checkpoint = path / "checkpoint"
        self.write()

    def write(self, **groups: Any) -> None:
        settings = {
            "kafka": {"bootstrap_servers": ["127.0.0.1:1"], "request_timeout_seconds": 1},
            "input": {"topics": ["messages"]},
            "output": {"topic": "classified", "dead_letter_topic": "dead"},
            "policies": {"file": str(self.policies)},
            "admin": {"port": 0},
            "model": {"path": str(self.checkpoint), "device": "cpu", "dtype": "float32"},
            **groups,
        }
        self.config.write_text(yaml.safe_dump(settings))

    async def results(self) -> list[CheckResult]:
        return [result async for result in run_checks(self.config)]

    async def named(self, name: str) -> list[CheckResult]:
        return [result for result in await self.results() if result.name == name]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


async def test_a_wrong_configuration_is_all_there_is_to_say(folder: Folder) -> None:
    folder.write(modle={}, output={"topic": "classified"})
    assert await folder.results() == [
        CheckResult(
            "configuration",
            Outcome.FAILED,
            f"{folder.config}: output.dead_letter_topic: is required; "
            "set it here or as GLICLASS_OUTPUT__DEAD_LETTER_TOPIC",
        ),
        CheckResult("configuration", Outcome.FAILED, f"{folder.config}: unknown key 'modle'; did you mean 'model'?"),
    ]


async def test_every_part_is_checked_although_another_failed(folder: Folder) -> None:
    folder.policies.write_text("tenants: {}")
    outcomes = {result.name: result.outcome for result in await folder.results()}
    assert outcomes == {
        "configuration": Outcome.OK,
        "policies": Outcome.FAILED,
        "processors": Outcome.OK,
        "admin port": Outcome.OK,
        "cache": Outcome.OK,
        "Kafka connection": Outcome.FAILED,
        "model": Outcome.FAILED,
        "label sets": Outcome.SKIPPED,
    }


async def test_brokers_that_are_away_are_named_with_what_to_look_at(folder: Folder) -> None:
    (result,) = await folder.named("Kafka connection")
    assert "127.0.0.1:1" in result.detail
    assert "check kafka.bootstrap_servers" in result.detail


async def test_a_password_file_that_is_missing_is_a_failed_connection(folder: Folder) -> None:
    security = {
        "protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "PLAIN",
        "username": "worker",
        "password_file": str(folder.config.parent / "missing"),
    }
    folder.write(kafka={"bootstrap_servers": ["127.0.0.1:1"], "security": security})
    (result,) = await folder.named("Kafka connection")
    assert result.detail.endswith("missing: cannot be read: No such file or directory")


async def test_a_model_and_label_sets_that_fit_are_described(folder: Folder) -> None:
    write_tiny_checkpoint(folder.checkpoint)
    (model,) = await folder.named("model")
    assert model.ok
    assert model.detail.startswith("uni-encoder on cpu in float32, window ")
    (label_sets,) = await folder.named("label sets")
    assert label_sets.outcome == Outcome.OK
    assert label_sets.detail.startswith("2 fit; the longest takes ")


async def test_labels_with_a_tower_of_their_own_take_nothing_of_the_window(folder: Folder) -> None:
    write_reference(folder.checkpoint, label_encoder=tiny_bert(), architecture_type="bi-encoder")
    (label_sets,) = await folder.named("label sets")
    assert label_sets.outcome == Outcome.OK
    assert label_sets.detail.startswith("2 fit; read beside the text, they take none of its ")


async def test_a_label_set_that_leaves_no_room_for_text_is_named(folder: Folder) -> None:
    write_tiny_checkpoint(folder.checkpoint)
    labels = [f"a rather long label with the number {number}" for number in range(60)]
    folder.policies.write_text(
        yaml.safe_dump({"tenants": {"acme": {"tasks": {"q": {"mode": "multi", "labels": labels}}}}})
    )
    (result,) = await folder.named("label sets")
    assert result.outcome == Outcome.FAILED
    assert result.detail.startswith("tenants.acme.tasks.q: ")


async def test_a_policy_that_is_probably_not_meant_is_a_warning(folder: Folder) -> None:
    folder.policies.write_text(POLICIES.replace("[billing, shipping]", "[billing, Billing]"))
    _, warning = await folder.named("policies")
    assert warning.outcome == Outcome.WARNING
    assert warning.detail.startswith("tenants.acme.tasks.queue.labels: 'billing' and 'Billing' differ in case alone")


async def test_examples_that_the_model_ignores_are_a_warning_and_labels_it_cannot_read_a_failure(
    folder: Folder,
) -> None:
    write_tiny_checkpoint(folder.checkpoint, architecture="bi-encoder")
    examples = "examples: [{text: a bill, labels: [billing]}]"
    folder.policies.write_text(
        POLICIES.replace("labels: [billing, shipping]", f"labels: [billing, shipping], {examples}")
    )
    warnings = [result for result in await folder.named("label sets") if result.outcome == Outcome.WARNING]
    assert any(one.detail.startswith("tenants.acme.tasks.queue.examples: have no effect") for one in warnings)
    folder.policies.write_text(POLICIES.replace("shipping", "🙂"))
    (refused,) = await folder.named("label sets")
    assert refused.outcome == Outcome.FAILED
    assert refused.detail.startswith("tenants.acme.tasks.queue: labels[1]: the model cannot read '🙂'")


async def test_the_cost_of_the_policies_is_said_once_the_model_is_loaded(folder: Folder) -> None:
    write_tiny_checkpoint(folder.checkpoint)
    (costs,) = await folder.named("cost of a message")
    assert costs.outcome is Outcome.OK
    assert costs.detail.startswith("of 60 words, alone on this device: acme ")


async def test_labels_in_parts_are_said_with_their_passes(folder: Folder) -> None:
    write_tiny_checkpoint(folder.checkpoint)
    task = {"mode": "single", "labels": [f"label {number}" for number in range(300)], "labels_in_parts": True}
    folder.policies.write_text(yaml.safe_dump({"tenants": {"acme": {"tasks": {"queue": task}}}}))
    (label_sets,) = await folder.named("label sets")
    assert label_sets.outcome == Outcome.OK
    assert label_sets.detail.startswith("1 fit, 1 in parts (up to ")
