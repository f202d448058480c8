from pathlib import Path

import pytest
from support.policies import policy_file

from schemas.settings import ModelSettings
from worker.commands.served import choose_tenant, model_settings, served
from worker.errors import ConfigurationError
from worker.policies.compiled import DEFAULT_TENANT

TASKS = "{tasks: {topic: {mode: multi, labels: [a, b]}}}"
ONE = f"tenants: {{shop: {TASKS}}}"
TWO = f"tenants: {{shop: {TASKS}, forum: {TASKS}}}"
WITH_DEFAULT = f"{{unknown_tenant: default, default: {TASKS}, tenants: {{shop: {TASKS}}}}}"
ONLY_DEFAULT = f"{{unknown_tenant: default, default: {TASKS}}}"


@pytest.mark.parametrize(
    ("written", "tenant", "name", "is_default"),
    [
        (ONE, None, "shop", False),
        (TWO, "forum", "forum", False),
        (ONLY_DEFAULT, None, DEFAULT_TENANT, True),
        (WITH_DEFAULT, "shop", "shop", False),
        (WITH_DEFAULT, DEFAULT_TENANT, DEFAULT_TENANT, True),
        (WITH_DEFAULT, "somebody", "somebody", True),
    ],
)
def test_the_tenant_is_resolved_as_the_worker_does(written: str, tenant: str | None, name: str, is_default: bool):
    assert choose_tenant(policy_file(written), tenant, "file")[::2] == (name, is_default)


@pytest.mark.parametrize(
    ("written", "tenant", "said"),
    [
        (TWO, None, r"choose one with --tenant \(shop, forum\)"),
        (WITH_DEFAULT, None, r"choose one with --tenant \(shop, \(default\)\)"),
        (TWO, "shpo", "did you mean 'shop'"),
    ],
)
def test_what_the_worker_could_not_resolve_is_refused(written: str, tenant: str | None, said: str):
    with pytest.raises(ConfigurationError, match=said):
        choose_tenant(policy_file(written), tenant, "file")


def test_it_is_said_when_the_default_policy_serves_a_tenant(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "policies.yaml"
    file.write_text(WITH_DEFAULT)
    chosen = served(file, "shpo", None, None, None)
    assert "tenant 'shpo' has no policy of its own" in capsys.readouterr().err
    assert chosen.patch({"topic": {}}) == {"default": {"tasks": {"topic": {}}}}


def test_the_settings_name_policy_model_window_and_text_limit(tmp_path: Path):
    (tmp_path / "policies.yaml").write_text(ONE)
    config = tmp_path / "config.yaml"
    config.write_text(
        f"""
kafka: {{bootstrap_servers: localhost:9092, group_id: g}}
input: {{topics: [in], max_text_bytes: 77}}
output: {{topic: out, dead_letter_topic: dead}}
policies: {{file: {tmp_path / "policies.yaml"}}}
model: {{path: hub/name, revision: abc, dtype: float32, max_tokens: 99}}
"""
    )
    chosen = served(None, None, config, None, None)
    assert (chosen.tenant, chosen.max_text_bytes) == ("shop", 77)
    assert chosen.model == ModelSettings(path="hub/name", revision="abc", dtype="float32", max_tokens=99)
    other = served(None, None, config, "elsewhere", 64).model
    assert other == ModelSettings(path="elsewhere", dtype="float32", max_tokens=64)


def test_no_policy_file_at_all_is_refused():
    with pytest.raises(ConfigurationError, match="--policy: name the file"):
        served(None, "shop", None, None, None)


def test_what_the_settings_of_a_model_refuse_is_refused_as_typed():
    with pytest.raises(ConfigurationError, match="model: max_tokens"):
        model_settings(None, None, 1)
