import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import Metric

from worker.telemetry.metrics import Metrics, Stage

STAGE_SECONDS = {Stage.ADMIT: 0.001, Stage.QUEUE: 0.02, Stage.SCORE: 0.03, Stage.DECIDE: 0.0001, Stage.PUBLISH: 0.004}


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"gliclass_{name}", labels)


def own_metrics(metrics: Metrics) -> list[Metric]:
    return [metric for metric in metrics.registry.collect() if not metric.name.startswith(("process_", "python_"))]


def test_every_metric_has_the_prefix_a_meaning_and_base_units() -> None:
    collected = own_metrics(Metrics())
    assert len(collected) > 30
    for metric in collected:
        assert metric.name.startswith("gliclass_"), metric.name
        assert metric.documentation.endswith("."), metric.name
        assert not metric.name.endswith(("_ms", "_milliseconds", "_kb", "_mb", "_percent", "_minutes")), metric.name
        if metric.name.endswith(("_seconds", "_bytes")):
            assert metric.name.rsplit("_", 1)[1] in metric.documentation, metric.name


def test_a_published_message_is_counted_once_in_each_place() -> None:
    metrics = Metrics()
    metrics.tenants_changed(removed=[], versions={"acme": "v1", "globex": "v1"}, count=2)
    metrics.message_published("acme", STAGE_SECONDS, latency_seconds=0.055, late=False, truncated_tokens=0)
    assert value(metrics, "messages_classified_total", tenant="acme") == 1
    assert value(metrics, "messages_on_time_total", tenant="acme") == 1
    assert value(metrics, "messages_late_total", tenant="acme") == 0
    assert value(metrics, "messages_truncated_total", tenant="acme") is None
    assert value(metrics, "message_latency_seconds_sum", tenant="acme") == pytest.approx(0.055)
    for stage, seconds in STAGE_SECONDS.items():
        assert value(metrics, "stage_duration_seconds_sum", stage=stage) == pytest.approx(seconds)


def test_late_and_truncated_messages_are_told_apart_by_tenant() -> None:
    metrics = Metrics()
    metrics.tenants_changed(removed=[], versions={"acme": "v1", "globex": "v1"}, count=2)
    metrics.message_published("acme", STAGE_SECONDS, latency_seconds=3.0, late=True, truncated_tokens=40)
    metrics.message_published("globex", STAGE_SECONDS, latency_seconds=0.1, late=False, truncated_tokens=2)
    metrics.message_published("globex", STAGE_SECONDS, latency_seconds=0.1, late=False, truncated_tokens=3)
    assert value(metrics, "messages_late_total", tenant="acme") == 1
    assert value(metrics, "messages_late_total", tenant="globex") == 0
    assert value(metrics, "messages_on_time_total", tenant="globex") == 2
    assert value(metrics, "messages_truncated_total", tenant="globex") == 2
    assert value(metrics, "truncated_tokens_total", tenant="globex") == 5


def test_a_batch_adds_to_device_time_and_to_the_ratio_of_the_prediction() -> None:
    metrics = Metrics()
    metrics.batch_scored(messages=8, tokens=900, reason="idle", seconds=0.06, predicted_seconds=0.05)
    metrics.batch_scored(messages=2, tokens=100, reason="tokens", seconds=0.02, predicted_seconds=None)
    assert value(metrics, "batches_total", reason="idle") == 1
    assert value(metrics, "batch_messages_sum") == 10
    assert value(metrics, "batch_tokens_sum") == 1000
    assert value(metrics, "device_tokens_total") == 1000
    assert value(metrics, "device_busy_seconds_total") == pytest.approx(0.08)
    assert value(metrics, "batch_actual_to_predicted_ratio_count") == 1
    assert value(metrics, "batch_actual_to_predicted_ratio_sum") == pytest.approx(1.2)


def published(metrics: Metrics, tenant: str) -> None:
    metrics.message_published(tenant, {}, latency_seconds=0.1, late=False, truncated_tokens=3)


def test_only_the_policy_version_in_force_is_shown() -> None:
    metrics = Metrics()
    metrics.tenants_changed(removed=[], versions={"acme": "v1", "globex": "v1"}, count=2)
    metrics.tenants_changed(removed=[], versions={"acme": "v2"}, count=2)
    assert value(metrics, "policy_info", tenant="acme", version="v1") is None
    assert value(metrics, "policy_info", tenant="acme", version="v2") == 1
    assert value(metrics, "policies_in_force") == 2
    metrics.tenants_changed(removed=["acme", "nobody"], versions={}, count=1)
    assert value(metrics, "policy_info", tenant="acme", version="v2") is None
    assert value(metrics, "policy_info", tenant="globex", version="v1") == 1


def test_a_removed_tenant_takes_all_its_series_along() -> None:
    metrics = Metrics()
    metrics.tenants_changed(removed=[], versions={"acme": "v1", "globex": "v1"}, count=2)
    for tenant in ("acme", "globex"):
        published(metrics, tenant)
        metrics.messages_duplicate.labels(metrics.series_of(tenant)).inc()
        metrics.virtual_lag({"acme": 1.0, "globex": 2.0})
    metrics.tenants_changed(removed=["acme"], versions={}, count=1)
    text = generate_latest(metrics.registry).decode()
    assert 'tenant="acme"' not in text
    assert 'tenant="globex"' in text


def test_tenants_beyond_the_limit_share_one_series() -> None:
    metrics = Metrics(most_tenants=2)
    metrics.tenants_changed(removed=[], versions={"a": "v", "b": "v", "c": "v", "d": "v"}, count=4)
    for tenant in ("a", "b", "c", "d"):
        published(metrics, tenant)
    metrics.virtual_lag({"c": 1.0, "d": 3.0})
    assert value(metrics, "messages_classified_total", tenant="a") == 1
    assert value(metrics, "messages_classified_total", tenant="(others)") == 2
    assert value(metrics, "tenant_virtual_lag_seconds", tenant="(others)") == 3.0
    assert value(metrics, "messages_classified_total", tenant="c") is None
    metrics.tenants_changed(removed=["a"], versions={"c": "w"}, count=3)
    published(metrics, "c")
    assert value(metrics, "messages_classified_total", tenant="c") == 1


def test_no_tenant_has_series_of_its_own_where_none_may() -> None:
    metrics = Metrics(most_tenants=0)
    metrics.tenants_changed(removed=[], versions={"a": "v"}, count=1)
    published(metrics, "a")
    assert 'tenant="a"' not in generate_latest(metrics.registry).decode()


def test_the_moments_at_which_series_began_are_no_series() -> None:
    metrics = Metrics()
    metrics.tenants_changed(removed=[], versions={"a": "v"}, count=1)
    published(metrics, "a")
    assert "_created" not in generate_latest(metrics.registry).decode()


def test_the_lag_of_a_revoked_partition_disappears() -> None:
    metrics = Metrics()
    for partition in ("0", "1"):
        metrics.partition_lag_records.labels("in", partition).set(7)
        metrics.partition_lag_seconds.labels("in", partition).set(1.5)
    metrics.forget_partition("in", 0)
    assert value(metrics, "partition_lag_records", topic="in", partition="0") is None
    assert value(metrics, "partition_lag_seconds", topic="in", partition="0") is None
    assert value(metrics, "partition_lag_records", topic="in", partition="1") == 7


def test_a_partition_that_never_reported_lag_can_be_forgotten() -> None:
    Metrics().forget_partition("in", 3)


def test_two_workers_in_one_process_do_not_share_metrics() -> None:
    first, second = Metrics(), Metrics()
    first.policy_reloads.labels("ok").inc()
    assert value(second, "policy_reloads_total", result="ok") is None


def test_a_registry_can_be_given_and_holds_the_process_metrics_too() -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    text = generate_latest(registry).decode()
    assert "process_resident_memory_bytes" in text
    assert "# HELP gliclass_queue_work_seconds " in text


def test_every_metric_is_moved_by_the_worker() -> None:
    worker = Path(__file__).parents[3] / "worker"
    code = "\n".join(file.read_text("utf-8") for file in worker.rglob("*.py"))
    collectors = {name for name, held in vars(Metrics()).items() if isinstance(held, Counter | Gauge | Histogram)}
    assert len(collectors) > 30
    moved = set(re.findall(r"\.(\w+)\s*(?:\.labels\(.*\))?\.(?:inc|set|observe)\(", code))
    held_as_series = {name for name in collectors if f"self.{name}.labels(" in code}
    assert collectors - moved - held_as_series == set()
