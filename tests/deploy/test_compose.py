import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

from worker.config import load_policies, load_settings

ROOT = Path(__file__).parents[2]
WORKERS = ("worker-1", "worker-2")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Any]:
    return compose["services"]


def test_it_has_kafka_topics_two_workers_and_a_producer(services: dict[str, Any]) -> None:
    assert {"kafka", "topics", "producer", *WORKERS} <= set(services)


def test_what_a_service_waits_for_exists_and_can_come_true(services: dict[str, Any]) -> None:
    for name, service in services.items():
        for needed, how in service.get("depends_on", {}).items():
            assert needed in services, f"{name} waits for {needed}"
            if how["condition"] == "service_healthy":
                assert "test" in services[needed]["healthcheck"]
            else:
                assert how["condition"] == "service_completed_successfully"
                assert "restart" not in services[needed], f"{needed} never completes"


@pytest.mark.parametrize("worker", WORKERS)
def test_the_environment_of_a_worker_is_made_of_settings(
    worker: str, services: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = services[worker]["environment"]
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = load_settings(ROOT / "deploy" / "config.example.yaml")
    assert settings.kafka.bootstrap_servers == ["kafka:9092"]


def test_every_topic_that_a_worker_reads_or_writes_is_created(services: dict[str, Any]) -> None:
    settings = load_settings(ROOT / "deploy" / "config.example.yaml")
    policies = load_policies(ROOT / "deploy" / "policies.example.yaml")
    routed = {route.topic for tenant in policies.tenants.values() for route in tenant.routes}
    needed = {*settings.input.topics, settings.output.topic, settings.output.dead_letter_topic, *routed}
    (script,) = services["topics"]["command"]
    created = re.search(r"for topic in (.*); do", script)
    assert created is not None
    assert set(created[1].split()) == needed
    assert settings.input.topics[0] in services["producer"]["command"][0]


def test_the_drain_ends_before_the_container_is_killed(services: dict[str, Any]) -> None:
    settings = load_settings(ROOT / "deploy" / "config.example.yaml")
    for worker in WORKERS:
        assert float(services[worker]["stop_grace_period"].removesuffix("s")) > settings.delivery.drain_budget_seconds


def test_nothing_is_published_beyond_this_machine(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert len(ports) == 3
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_admin_port_of_each_worker_is_the_one_of_the_image(services: dict[str, Any]) -> None:
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text("utf-8")
    port = re.search(r"GLICLASS_ADMIN__PORT=(\d+)", dockerfile)
    assert port is not None
    assert all(services[worker]["ports"][0].endswith(f":{port[1]}") for worker in WORKERS)


def test_files_and_volumes_that_are_mounted_exist(compose: dict[str, Any], services: dict[str, Any]) -> None:
    for service in services.values():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            if source.startswith("."):
                assert (ROOT / source).is_file(), source
            else:
                assert source in compose["volumes"]


def test_a_worker_writes_only_to_its_volume_and_has_no_privileges(services: dict[str, Any]) -> None:
    for worker in WORKERS:
        assert services[worker]["read_only"] is True
        assert services[worker]["cap_drop"] == ["ALL"]


def test_kafka_is_the_version_that_the_tests_run_on(services: dict[str, Any]) -> None:
    jars = files("worker.demo").joinpath("kafka_jars.sha256").read_text("ascii")
    version = re.search(r"/kafka_2\.13/([\d.]+)/", jars)
    assert version is not None
    assert services["kafka"]["image"] == f"apache/kafka:{version[1]}"
