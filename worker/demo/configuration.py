"""The files that the demo's workers are started with: settings, and the tenants' policies."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from worker.demo.messages import MAX_TEXT_BYTES
from worker.demo.topics import Topics

_ROUTE_PREFIX = "demo"  # what the route topics in policies.yaml begin with


def demo_policies(prefix: str) -> dict[str, Any]:
    """The policies of the shipped file, their route topics renamed from demo-… to `prefix`-…."""
    policies = yaml.safe_load(files("worker.demo").joinpath("policies.yaml").read_text("utf-8"))
    for route in _routes(policies):
        route["topic"] = prefix + route["topic"].removeprefix(_ROUTE_PREFIX)
    return policies


def route_topics(policies: dict[str, Any]) -> tuple[str, ...]:
    """Every topic that a route names, each once."""
    return tuple(dict.fromkeys(route["topic"] for route in _routes(policies)))


def worker_settings(
    *, bootstrap_servers: str, topics: Topics, policies: Path, model: Path | None, threads: int | None
) -> dict[str, Any]:
    """The settings that all workers share; see `gliclass-worker schema config` for their meaning."""
    return {
        "kafka": {
            "bootstrap_servers": bootstrap_servers.split(","),
            "group_id": f"{topics.prefix}-workers",
            "session_timeout_seconds": 10,
            "heartbeat_interval_seconds": 1,
        },
        "input": {
            "topics": [topics.input, topics.warm_up],
            "mapping": {"text": ["subject", "body", "text"], "id": {"field": "id"}},
            "max_text_bytes": MAX_TEXT_BYTES,
        },
        "output": {"topic": topics.output, "dead_letter_topic": topics.dead_letters},
        "policies": {"file": str(policies)},
        "model": {"path": str(model) if model is not None else None, "threads": threads},
        "telemetry": {"log_format": "console"},
    }


def _routes(policies: dict[str, Any]) -> list[dict[str, Any]]:
    return [route for policy in policies["tenants"].values() for route in policy.get("routes", ())]
