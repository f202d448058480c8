import json
from pathlib import Path

import pytest

from schemas.policy import PolicyFile
from schemas.settings import Settings
from worker.config import load_policies, load_settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


@pytest.fixture
def settings() -> Settings:
    return load_settings(DEPLOY / "config.example.yaml")


@pytest.fixture
def policies() -> PolicyFile:
    return load_policies(DEPLOY / "policies.example.yaml")


@pytest.fixture
def messages() -> list[str]:
    return (DEPLOY / "messages.example.jsonl").read_text("utf-8").splitlines()


def test_the_example_configuration_is_valid(settings: Settings) -> None:
    assert settings.input.mapping.text == ["subject", "body"]
    assert settings.policies.file == Path("/etc/gliclass/policies.yaml")


def test_a_security_block_that_is_commented_out_is_valid_too(tmp_path: Path) -> None:
    text = (DEPLOY / "config.example.yaml").read_text("utf-8")
    uncommented = "\n".join(
        line.replace("# ", "", 1) if line.startswith("  # ") else line for line in text.splitlines()
    )
    assert uncommented != text
    file = tmp_path / "config.yaml"
    file.write_text(uncommented, "utf-8")
    loaded = load_settings(file)
    assert loaded.kafka.security.protocol == "SASL_SSL"
    assert loaded.telemetry.otlp_endpoint == "http://collector:4318"


def test_the_example_policies_show_every_form_of_labels(policies: PolicyFile) -> None:
    assert len(policies.tenants) >= 3
    tasks = [task for tenant in policies.tenants.values() for task in tenant.tasks.values()]
    assert {task.mode for task in tasks} == {"single", "multi"}
    assert any(len(leaf.path) > 1 for task in tasks for leaf in task.leaves)
    assert any(isinstance(task.labels, list) for task in tasks)
    assert any(leaf.description for task in tasks for leaf in task.leaves)
    assert any(len(tenant.tasks) > 1 for tenant in policies.tenants.values())
    assert any(tenant.routes for tenant in policies.tenants.values())


def test_the_example_messages_serve_every_tenant_and_both_kinds_of_broken_record(
    messages: list[str], policies: PolicyFile
) -> None:
    decoded, broken = [], 0
    for line in messages:
        try:
            decoded.append(json.loads(line))
        except json.JSONDecodeError:
            broken += 1
    tenants = {message["tenant"] for message in decoded}
    assert broken == 1
    assert tenants - set(policies.tenants) == {"nobody"}
    assert set(policies.tenants) <= tenants
    assert len({message["id"] for message in decoded}) == len(decoded)
