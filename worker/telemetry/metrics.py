"""Every Prometheus metric of the worker, once, with its unit and meaning. All names start with `gliclass_`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    disable_created_metrics,
)
from prometheus_client.process_collector import ProcessCollector

_DURATION_BUCKETS_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LATENCY_BUCKETS_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0)
_WAIT_BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_COUNT_BUCKETS = tuple(2**power for power in range(11))
_TOKEN_BUCKETS = tuple(2**power for power in range(6, 18))
_RATIO_BUCKETS = (0.25, 0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 4.0)


MOST_TENANTS = 1000
OTHER_TENANTS = "(others)"
"""The `tenant` label of all tenants beyond the limit."""


class Stage(StrEnum):
    """The parts of a message's time in the worker, in order; they add up to the whole."""

    ADMIT = "admit"
    """Delivered by the client until admitted: decoding, policy, tokenising."""
    QUEUE = "queue"
    """Admitted until bound into a batch."""
    SCORE = "score"
    """Bound until its logits are back from the device thread."""
    DECIDE = "decide"
    """Logits until the enriched record is built, waiting for earlier records of its key included."""
    PUBLISH = "publish"
    """Built until the broker acknowledged it."""


@dataclass(frozen=True, slots=True)
class _TenantSeries:
    classified: Counter
    on_time: Counter
    late: Counter
    latency_seconds: Histogram


class Metrics:
    """The worker's metrics, in a registry of their own unless one is given.

    `tenant` labels take only names that a policy knows, and there is no label for text, keys or chosen labels: what a
    producer writes must not decide how many time series there are.
    """

    def __init__(self, registry: CollectorRegistry | None = None, *, most_tenants: int = MOST_TENANTS) -> None:
        """So many tenants have series of their own; those that come later share one."""
        # The moment at which each series began, as a series of its own, is a seventh of the text and read by nobody.
        disable_created_metrics()
        self.registry = CollectorRegistry() if registry is None else registry
        self._most_tenants = most_tenants
        self._records()
        self._messages()
        self._batches()
        self._backlog()
        self._kafka()
        self._process()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._policy_versions: dict[str, str] = {}
        # Looking a series up by its labels costs more than counting; these are on every message's path.
        self._published_series: dict[str, Counter] = {}
        self._tenant_series: dict[str, _TenantSeries] = {}
        self._by_tenant = (
            self.messages_classified,
            self.messages_on_time,
            self.messages_late,
            self.messages_clock_ahead,
            self.messages_time_ignored,
            self.messages_truncated,
            self.messages_duplicate,
            self.truncated_tokens,
            self.message_latency_seconds,
            self.tenant_virtual_lag_seconds,
            self.tenant_flooding,
        )
        self._stage_series = {stage: self.stage_duration_seconds.labels(stage) for stage in Stage}

    def message_published(
        self,
        tenant: str,
        stage_seconds: Mapping[Stage, float],
        *,
        latency_seconds: float,
        late: bool,
        truncated_tokens: int,
    ) -> None:
        """Count one message whose enriched record is acknowledged. `latency_seconds` is what its budget was held to."""
        tenant = self.series_of(tenant)
        series = self._tenant_series.get(tenant)
        if series is None:
            series = self._tenant_series[tenant] = _TenantSeries(
                self.messages_classified.labels(tenant),
                self.messages_on_time.labels(tenant),
                self.messages_late.labels(tenant),
                self.message_latency_seconds.labels(tenant),
            )
        series.classified.inc()
        (series.late if late else series.on_time).inc()
        series.latency_seconds.observe(latency_seconds)
        for stage, seconds in stage_seconds.items():
            self._stage_series[stage].observe(seconds)
        if truncated_tokens:
            self.messages_truncated.labels(tenant).inc()
            self.truncated_tokens.labels(tenant).inc(truncated_tokens)

    def record_published(self, topic: str) -> None:
        """Count one enriched record that is acknowledged."""
        series = self._published_series.get(topic)
        if series is None:
            series = self._published_series[topic] = self.records_published.labels(topic)
        series.inc()

    def batch_scored(
        self, *, messages: int, tokens: int, reason: str, seconds: float, predicted_seconds: float | None
    ) -> None:
        """Count one batch that came back from the device. No prediction (None or 0) leaves the ratio alone."""
        self.batch_messages.observe(messages)
        self.batch_tokens.observe(tokens)
        self.batch_duration_seconds.observe(seconds)
        self.batches.labels(reason).inc()
        self.device_busy_seconds.inc(seconds)
        self.device_tokens.inc(tokens)
        if predicted_seconds:
            self.batch_actual_to_predicted_ratio.observe(seconds / predicted_seconds)

    def tenants_changed(self, *, removed: Iterable[str], versions: Mapping[str, str], count: int) -> None:
        """Tenants are gone, with all series of theirs; others have a policy of another version; `count` there are."""
        for tenant in removed:
            if tenant in self._policy_versions:
                self._forget_tenant(tenant)
        for tenant, version in versions.items():
            if tenant in self._policy_versions:
                self.policy_info.remove(tenant, self._policy_versions[tenant])
            elif len(self._policy_versions) >= self._most_tenants:
                continue
            self._policy_versions[tenant] = version
            self.policy_info.labels(tenant, version).set(1)
        self.policies_in_force.set(count)

    def series_of(self, tenant: str) -> str:
        """The `tenant` label under which a tenant is counted: its name, or OTHER_TENANTS beyond the limit."""
        return tenant if tenant in self._policy_versions else OTHER_TENANTS

    def virtual_lag(self, seconds_by_tenant: Mapping[str, float]) -> None:
        """What waiting tenants were given beyond the one that was given least; of several in a series the most."""
        self.tenant_virtual_lag_seconds.clear()
        most: dict[str, float] = {}
        for tenant, seconds in seconds_by_tenant.items():
            series = self.series_of(tenant)
            most[series] = max(seconds, most.get(series, seconds))
        for series, seconds in most.items():
            self.tenant_virtual_lag_seconds.labels(series).set(seconds)

    def _forget_tenant(self, tenant: str) -> None:
        self.policy_info.remove(tenant, self._policy_versions.pop(tenant))
        self._tenant_series.pop(tenant, None)
        for metric in self._by_tenant:
            metric.remove_by_labels({"tenant": tenant})

    def forget_partition(self, topic: str, partition: int) -> None:
        """Drop the lag of a partition that is no longer ours; a frozen last value would be alerted on."""
        for gauge in (self.partition_lag_records, self.partition_lag_seconds):
            gauge.remove_by_labels({"topic": topic, "partition": str(partition)})

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"gliclass_{name}", meaning, labels, registry=self.registry)

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(f"gliclass_{name}", meaning, labels, registry=self.registry)

    def _histogram(self, name: str, meaning: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"gliclass_{name}", meaning, labels, registry=self.registry, buckets=buckets)

    def _records(self) -> None:
        self.records_consumed = self._counter("records_consumed", "Records delivered by Kafka.", "topic")
        self.records_published = self._counter(
            "records_published", "Enriched records acknowledged by the broker; a route adds one.", "topic"
        )
        self.records_dead_lettered = self._counter(
            "records_dead_lettered", "Records acknowledged by the dead-letter topic, by reason.", "reason"
        )
        self.records_skipped = self._counter(
            "records_skipped",
            "Offsets passed over: the one to go on from was outside the log, or a new group began at the end. Offsets "
            "without a record count too.",
            "topic",
        )
        self.records_ignored = self._counter(
            "records_ignored", "Records that input.skip passes over: no result and no dead letter, by reason.", "reason"
        )
        self.publish_retries = self._counter(
            "publish_retries", "Publish attempts repeated with a fresh producer after a failure."
        )
        self.publish_failures = self._counter(
            "publish_failures", "Publish attempts that failed, by the client's error class.", "error"
        )

    def _messages(self) -> None:
        self.messages_classified = self._counter(
            "messages_classified", "Messages whose enriched record is acknowledged.", "tenant"
        )
        self.messages_on_time = self._counter(
            "messages_on_time", "Messages acknowledged within their tenant's latency budget.", "tenant"
        )
        self.messages_late = self._counter(
            "messages_late", "Messages acknowledged after their tenant's latency budget.", "tenant"
        )
        self.tenant_flooding = self._gauge(
            "tenant_flooding", "1 while more of a tenant's records become dead letters than the limit allows.", "tenant"
        )
        self.messages_clock_ahead = self._counter(
            "messages_clock_ahead",
            "Messages whose time lay over 0.1 s in the future when they arrived: their latency budget began then.",
            "tenant",
        )
        self.messages_time_ignored = self._counter(
            "messages_time_ignored",
            "Messages whose time cannot be right, before 2000 or over a day ahead: their arrival counts instead.",
            "tenant",
        )
        self.messages_truncated = self._counter(
            "messages_truncated", "Messages whose text did not fit the model's window and was cut.", "tenant"
        )
        self.messages_duplicate = self._counter(
            "messages_duplicate",
            "Messages that took the score of an equal text under the same policy, recent or being scored.",
            "tenant",
        )
        self.truncated_tokens = self._counter("truncated_tokens", "Tokens cut from texts that were too long.", "tenant")
        self.stage_duration_seconds = self._histogram(
            "stage_duration_seconds",
            "Time a message spends in one stage, in seconds: admit, queue, score, decide, publish.",
            _DURATION_BUCKETS_SECONDS,
            "stage",
        )
        self.message_latency_seconds = self._histogram(
            "message_latency_seconds",
            "From the moment the latency budget starts to the acknowledged publish, in seconds.",
            _LATENCY_BUCKETS_SECONDS,
            "tenant",
        )

    def _batches(self) -> None:
        self.batches = self._counter("batches", "Batches scored, by why each was closed.", "reason")
        self.batch_messages = self._histogram("batch_messages", "Messages in a batch.", _COUNT_BUCKETS)
        self.batch_tokens = self._histogram("batch_tokens", "Device tokens in a batch.", _TOKEN_BUCKETS)
        self.batch_duration_seconds = self._histogram(
            "batch_duration_seconds", "Time the device takes for a batch, in seconds.", _DURATION_BUCKETS_SECONDS
        )
        self.batch_actual_to_predicted_ratio = self._histogram(
            "batch_actual_to_predicted_ratio",
            "Measured duration of a batch over the cost model's prediction; 1 is a perfect model.",
            _RATIO_BUCKETS,
        )
        self.batch_predicted_to_actual_ratio = self._gauge(
            "batch_predicted_to_actual_ratio",
            "The cost model's prediction over the measured duration, of about the last ten batches.",
        )
        self.batch_bisections = self._counter(
            "batch_bisections", "Failed batches that were split to find the record that fails them."
        )
        self.device_busy_seconds = self._counter(
            "device_busy_seconds", "Time the device thread spent scoring, in seconds; its rate is the utilisation."
        )
        self.device_tokens = self._counter("device_tokens", "Device tokens scored.")

    def _backlog(self) -> None:
        self.queue_work_seconds = self._gauge(
            "queue_work_seconds", "Predicted device time of the messages that wait for a batch, in seconds."
        )
        self.queue_messages = self._gauge("queue_messages", "Messages that wait for a batch.")
        self.in_flight_messages = self._gauge(
            "in_flight_messages", "Records delivered and neither published nor dead-lettered yet."
        )
        self.in_flight_bytes = self._gauge("in_flight_bytes", "Size of the records in flight, in bytes.")
        self.oldest_in_flight_age_seconds = self._gauge(
            "oldest_in_flight_age_seconds", "Time since the oldest record in flight was delivered, in seconds."
        )
        self.oldest_slack_seconds = self._gauge(
            "oldest_slack_seconds",
            "Time left to the earliest deadline of the waiting messages, in seconds; negative when it is missed.",
        )
        self.batch_duration_cap_seconds = self._gauge(
            "batch_duration_cap_seconds", "Longest batch the batcher forms at the present load and budgets, in seconds."
        )
        self.publish_estimate_seconds = self._gauge(
            "publish_estimate_seconds", "What is set aside for publishing when a deadline is judged, in seconds."
        )
        self.arriving_load = self._gauge(
            "arriving_load", "Device seconds that arrive per second; above 1 the backlog grows. Autoscale on this."
        )
        self.late_messages_waiting = self._gauge(
            "late_messages_waiting", "Waiting messages that can no longer be scored within their budget."
        )
        self.tenant_virtual_lag_seconds = self._gauge(
            "tenant_virtual_lag_seconds",
            "Weighted device seconds a waiting tenant was given beyond the tenant that was given least.",
            "tenant",
        )
        self.consumption_paused = self._gauge(
            "consumption_paused", "1 while backpressure holds consumption back, else 0."
        )

    def _kafka(self) -> None:
        self.partition_lag_records = self._gauge(
            "partition_lag_records",
            "Offsets between the committed position and the end of an assigned partition.",
            "topic",
            "partition",
        )
        self.partition_lag_seconds = self._gauge(
            "partition_lag_seconds",
            "Age of the oldest record of an assigned partition that is not done, by its timestamp, in seconds.",
            "topic",
            "partition",
        )
        self.assigned_partitions = self._gauge("assigned_partitions", "Partitions assigned to this worker.")
        self.commit_duration_seconds = self._histogram(
            "commit_duration_seconds", "Time a commit of offsets takes, in seconds.", _WAIT_BUCKETS_SECONDS
        )
        self.commit_failures = self._counter(
            "commit_failures", "Commits of offsets that failed, by the client's error class.", "error"
        )
        self.rebalance_duration_seconds = self._histogram(
            "rebalance_duration_seconds",
            "From the revocation of partitions to processing the next assignment, in seconds; its count is rebalances.",
            _WAIT_BUCKETS_SECONDS,
        )

    def _process(self) -> None:
        self.event_loop_lag_seconds = self._histogram(
            "event_loop_lag_seconds",
            "How much later than asked the event loop wakes a sleeper, in seconds.",
            _DURATION_BUCKETS_SECONDS,
        )
        self.policy_reloads = self._counter(
            "policy_reloads", "Policy reloads by result: ok, or failed (the last good policies stay).", "result"
        )
        self.policies_current = self._gauge(
            "policies_current",
            "1 while the policies in force are those of the file as it is now, 0 while it is refused.",
        )
        self.policies_loaded_timestamp_seconds = self._gauge(
            "policies_loaded_timestamp_seconds", "When the policies in force were read whole, in seconds since 1970."
        )
        self.policies_in_force = self._gauge("policies_in_force", "Policies in force, the default one included.")
        self.policy_info = self._gauge("policy_info", "1 for the policy version in force.", "tenant", "version")
        self.model_info = self._gauge(
            "model_info", "1 for the model that is loaded.", "digest", "architecture", "device", "dtype"
        )
        self.build_info = self._gauge("build_info", "1 for the version of the worker.", "version")
