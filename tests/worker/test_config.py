import os
from pathlib import Path

import pytest

from worker.config import load_policies, load_settings, parse_yaml
from worker.errors import ConfigurationError

LEAST = """
kafka: {bootstrap_servers: [kafka:9092]}
input: {topics: [messages]}
output: {topic: classified, dead_letter_topic: dead}
policies: {file: policies.yaml}
"""


@pytest.fixture(autouse=True)
def _no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("GLICLASS_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def settings_file(tmp_path: Path) -> Path:
    path = tmp_path / "settings.yaml"
    path.write_text(LEAST)
    return path


def refusal(path: Path | None) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path)
    return str(caught.value).splitlines()


def test_settings_come_from_the_file_and_the_environment_before_it(
    settings_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLICLASS_KAFKA__BOOTSTRAP_SERVERS", "other:9092")
    assert load_settings(settings_file).kafka.bootstrap_servers == ["other:9092"]


def test_the_environment_alone_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "KAFKA__BOOTSTRAP_SERVERS": "kafka:9092",
        "INPUT__TOPICS": "messages",
        "INPUT__MAPPING__TENANT__HEADER": "tenant",
        "OUTPUT__TOPIC": "classified",
        "OUTPUT__DEAD_LETTER_TOPIC": "dead",
        "POLICIES__FILE": "policies.yaml",
    }.items():
        monkeypatch.setenv(f"GLICLASS_{name}", value)
    assert load_settings(None).input.mapping.tenant.header == "tenant"


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("GLICLASS_KAFKA__GROUPID", "GLICLASS_KAFKA__GROUP_ID"),
        ("GLICLASS_ADMIN_PORT", "GLICLASS_ADMIN__PORT"),
        ("GLICLASS_INPUT__MAPPING__TENANT__FIELDS", "GLICLASS_INPUT__MAPPING__TENANT__FIELD"),
        ("gliclass_log_level", "GLICLASS_TELEMETRY__LOG_LEVEL"),
    ],
)
def test_an_unknown_variable_is_refused_with_the_nearest_known_one(
    settings_file: Path, monkeypatch: pytest.MonkeyPatch, name: str, nearest: str
) -> None:
    monkeypatch.setenv(name, "1")
    assert refusal(settings_file) == [f"environment: unknown variable {name.upper()!r}; did you mean {nearest!r}?"]


def test_what_kubernetes_says_of_a_service_of_our_name_is_not_taken_for_settings(
    settings_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "GLICLASS_WORKER_SERVICE_HOST": "10.0.0.1",
        "GLICLASS_WORKER_SERVICE_PORT_ADMIN": "9464",
        "GLICLASS_WORKER_PORT": "tcp://10.0.0.1:9464",
        "GLICLASS_WORKER_PORT_9464_TCP_ADDR": "10.0.0.1",
        "GLICLASS_CONFIG": str(settings_file),
    }.items():
        monkeypatch.setenv(name, value)
    assert load_settings(settings_file).input.topics == ["messages"]


def test_what_is_missing_is_named_as_it_would_be_written_in_either_place(settings_file: Path) -> None:
    settings_file.write_text("kafka: {group_id: g}\ninput: {topics: [messages]}\npolicies: {file: p}\n")
    assert refusal(settings_file) == [
        f"{settings_file}: kafka.bootstrap_servers: is required; set it here or as GLICLASS_KAFKA__BOOTSTRAP_SERVERS",
        f"{settings_file}: output: is required with topic, dead_letter_topic",
    ]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("kafka: {}\nkafka: {}", "line 2, column 1: key 'kafka' stands twice in one mapping: remove one"),
        ("kafka: [1", "line 2, column 1: did not find expected ',' or ']'"),
        ("- a", "must be a mapping of keys to values"),
        ("", "must be a mapping of keys to values"),
        ("yes: 1", "key True is not a string: put it in quotes"),
        (
            "a: !!python/object:os.system {}",
            "line 1, column 4: could not determine a constructor for the tag "
            "'tag:yaml.org,2002:python/object:os.system'",
        ),
    ],
)
def test_a_broken_file_is_refused_by_its_line(settings_file: Path, content: str, line: str) -> None:
    settings_file.write_text(content)
    assert refusal(settings_file) == [f"{settings_file}: {line}"]


def test_a_file_that_is_not_text_or_not_there_is_refused(settings_file: Path) -> None:
    settings_file.write_bytes(b"a: \xff\xfe")
    assert refusal(settings_file)[0].startswith(f"{settings_file}: is not YAML in UTF-8")
    settings_file.unlink()
    assert refusal(settings_file) == [f"{settings_file}: cannot be read: No such file or directory"]


def test_a_group_given_as_broken_json_is_refused(settings_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLICLASS_KAFKA", "{broken")
    (line,) = refusal(settings_file)
    assert line.startswith("environment: ")
    assert line.endswith("write JSON")


def test_a_password_is_in_no_message(settings_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLICLASS_KAFKA__SECURITY__PASSWORD", "hunter2")
    assert "hunter2" not in "".join(refusal(settings_file))


def test_a_tenant_that_stands_twice_does_not_vanish(tmp_path: Path) -> None:
    path = tmp_path / "policies.yaml"
    path.write_text("tenants:\n  acme: {}\n  acme: {}\n")
    with pytest.raises(ConfigurationError, match="line 3, column 3: key 'acme' stands twice"):
        load_policies(path)


def test_anchors_and_merge_keys_share_what_tenants_have_in_common(tmp_path: Path) -> None:
    path = tmp_path / "policies.yaml"
    path.write_text("""
tenants:
  acme: &common {weight: 2, tasks: {topic: {mode: multi, labels: [a]}}}
  bank: {<<: *common, weight: 3}
""")
    assert load_policies(path).tenants["bank"].weight == 3


def test_deep_nesting_is_refused_and_not_a_crash() -> None:
    with pytest.raises(ConfigurationError, match="nested too deeply"):
        parse_yaml(b"[" * 100_000, "source")


def test_without_any_config_the_way_to_name_one_is_said() -> None:
    with pytest.raises(ConfigurationError) as raised:
        load_settings(None)
    assert raised.value.lines[-1].startswith("no config file was named: use --config FILE or GLICLASS_CONFIG")


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("GLICLASS_MODEL__DEVICE", "gpu", "model.device: 'gpu' is not understood: write auto, cpu, mps, cuda"),
        ("GLICLASS_TELEMETRY__OTLP_ENDPOINT", "collector:4318", "telemetry.otlp_endpoint: 'collector:4318' is not un"),
        ("GLICLASS_INPUT__MAPPING__TEXT", "a..b", "input.mapping.text.0: 'a..b' is not understood: write keys joined"),
    ],
)
def test_a_value_of_the_wrong_form_is_answered_with_the_right_one(
    settings_file: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError) as raised:
        load_settings(settings_file)
    assert words in str(raised.value)
