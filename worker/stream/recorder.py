"""Tells telemetry and health what the stream does, so that the pipeline reads as a stream."""

import time
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

import structlog

from worker.batching.batch import Batch
from worker.batching.batcher import BatcherState
from worker.device.thread import Bisected, TaskLogits
from worker.health.conditions import Health
from worker.in_flight.backpressure import Load
from worker.in_flight.message import Message, Result
from worker.in_flight.partition import Partition
from worker.in_flight.publisher import PublishError
from worker.in_flight.record import EARLIEST_MS
from worker.policies.compiled import PolicySet
from worker.telemetry.metrics import Metrics, Stage
from worker.telemetry.tracing import BatchTrace, Tracing

if TYPE_CHECKING:
    from model.scorer import Scorer

log = structlog.get_logger(__name__)

CLOCK_TOLERANCE_SECONDS = 0.1
MODEL_LOADED = "model_loaded"
POLICIES_LOADED = "policies_loaded"
ASSIGNED = "assigned"
DEAD_LETTER_REACHABLE = "dead_letter_reachable"
BROKERS_ANSWER = "brokers_answer"
TOPICS_THERE = "topics_there"
PUBLISHING = "publishing"
CONDITIONS = (MODEL_LOADED, POLICIES_LOADED, TOPICS_THERE, ASSIGNED, BROKERS_ANSWER, DEAD_LETTER_REACHABLE, PUBLISHING)


class Recorder:
    """Metrics, spans and heartbeats of one pipeline. Times are monotonic seconds."""

    def __init__(self, metrics: Metrics, tracing: Tracing, health: Health, *, max_silence_seconds: float) -> None:
        """A loop that makes no turn for `max_silence_seconds` makes the worker not live."""
        self.metrics = metrics
        self.tracing = tracing
        self.health = health
        self._max_silence_seconds = max_silence_seconds
        self._failing: dict[Partition, str] = {}
        self._causes_said: set[str] = set()
        self._brokers_answer = True
        self._policies_served = False
        self._missing_topics: set[str] = set()
        self._flooding: set[str] = set()
        self._topics_with_wrong_times: set[str] = set()
        self.health.meet(PUBLISHING)

    def watch(self, loop: str) -> None:
        """Expect a loop to make turns from now on."""
        self.health.watch(loop, self._max_silence_seconds, time.monotonic())

    def beat(self, loop: str) -> None:
        """A loop made a turn."""
        self.health.beat(loop, time.monotonic())

    def model_loaded(self, model: "Scorer") -> None:
        """The model is ready."""
        dtype = model.dtype_name
        self.metrics.model_info.labels(model.digest, model.architecture, str(model.device), dtype).set(1)
        self.health.meet(MODEL_LOADED)
        log.info(
            "model loaded", digest=model.digest, architecture=model.architecture, device=str(model.device), dtype=dtype
        )

    def policies_changed(self, before: PolicySet | None, after: PolicySet) -> None:
        """Other policies are in force."""
        old, new = before.by_name() if before is not None else {}, after.by_name()
        self.metrics.tenants_changed(
            removed=[tenant for tenant in old if tenant not in new],
            versions={tenant: policy.version for tenant, policy in new.items() if policy is not old.get(tenant)},
            count=len(new),
        )

    def policies_loaded(self, *, reloaded: bool = True) -> None:
        """What is in force is what the file says; `reloaded`: it was another file's before."""
        if reloaded:
            self.metrics.policy_reloads.labels("ok").inc()
        self.metrics.policies_current.set(1)
        self.metrics.policies_loaded_timestamp_seconds.set(time.time())
        self.health.meet(POLICIES_LOADED)
        self._policies_served = True

    def policies_progress(self, ready: int, policies: int) -> None:
        """So many of the policies at the start can be served."""
        if not self._policies_served:
            self.health.fail(POLICIES_LOADED, f"{ready} of {policies} policies are prepared")

    def policies_refused(self, reason: str) -> None:
        """A changed policy file is not in force; the last good one stays."""
        self.metrics.policy_reloads.labels("failed").inc()
        self.metrics.policies_current.set(0)

    def fetched(self, partition: Partition, records: int) -> None:
        """Records were taken into flight."""
        self.metrics.records_consumed.labels(partition.topic).inc(records)

    def assignment(self, joined: bool) -> None:
        """Whether this worker is a member of its group; a spare member without partitions counts."""
        if joined:
            self.health.meet(ASSIGNED)
        else:
            self.health.fail(ASSIGNED, "not a member of the consumer group yet, or a rebalance is under way")

    def topics_missing(self, topics: Collection[str]) -> None:
        """Input topics that are gone; each change is said once."""
        if set(topics) != self._missing_topics:
            self._missing_topics = set(topics)
            if topics:
                log.error("input topics are gone; the others are read on", topics=sorted(topics))
            else:
                log.info("all input topics are there")
        if topics:
            reason = (
                f"{', '.join(map(repr, sorted(topics)))} does not exist any more: create it, or correct input.topics"
            )
            self.health.fail(TOPICS_THERE, reason)
        else:
            self.health.meet(TOPICS_THERE)

    def brokers_answer(self, answering: bool, error: str = "") -> None:
        """Whether the brokers answered when last asked; said once when they stop and when they answer again."""
        if answering != self._brokers_answer:
            if answering:
                log.info("the brokers answer again")
            else:
                log.warning("the brokers do not answer, waiting for them", error=error)
        self._brokers_answer = answering
        if answering:
            self.health.meet(BROKERS_ANSWER)
        else:
            self.health.fail(BROKERS_ANSWER, error)

    def batcher_state(self, state: BatcherState) -> None:
        """What the batcher holds and at which batch duration it works."""
        self.metrics.batch_duration_cap_seconds.set(state.batch_duration_seconds)
        self.metrics.arriving_load.set(state.load)
        self.metrics.late_messages_waiting.set(state.late_messages)
        self.metrics.batch_predicted_to_actual_ratio.set(state.predicted_to_actual)
        self.metrics.oldest_slack_seconds.set(min((each.slack_seconds for each in state.tenants), default=0.0))
        self.metrics.virtual_lag({each.tenant: each.virtual_lag_seconds for each in state.tenants})

    def backlog(self, load: Load, holding: bool, queued_messages: int) -> None:
        """What waits, and whether consumption is held back for it."""
        self.metrics.queue_work_seconds.set(load.queued_seconds)
        self.metrics.queue_messages.set(queued_messages)
        self.metrics.in_flight_messages.set(load.messages)
        self.metrics.in_flight_bytes.set(load.bytes)
        self.metrics.consumption_paused.set(holding)

    def duplicate_met(self, message: Message) -> None:
        """A message needs no pass of its own."""
        self.metrics.messages_duplicate.labels(self.metrics.series_of(message.tenant)).inc()

    def batch_bound(self, batch: Batch[Message]) -> BatchTrace:
        """A batch goes to the device."""
        return self.tracing.start_batch(
            (message.trace for message in batch.messages), len(batch.messages), batch.token_count
        )

    def batch_scored(self, batch: Batch[Message], scored: Bisected[TaskLogits], trace: BatchTrace, now: float) -> None:
        """A batch came back from the device."""
        error = next((outcome for outcome in scored.outcomes if isinstance(outcome, Exception)), None)
        trace.finish(error)
        self.metrics.batch_bisections.inc(scored.failed_passes)
        self.metrics.batch_scored(
            messages=len(batch.messages),
            tokens=batch.token_count,
            reason=batch.reason,
            seconds=now - batch.messages[0].bound_at,
            predicted_seconds=None if scored.failed_passes else batch.predicted_seconds,
        )

    def published(self, results: Iterable[Result]) -> None:
        """Results whose every record is acknowledged."""
        now = time.monotonic()
        for result in results:
            message = result.message
            stage_seconds = _stage_seconds(message, result, now) if message else {}
            if message is not None and message.impossible_time_ms is not None:
                self._time_left_out(message, message.impossible_time_ms)
            if message is not None and message.clock_ahead_seconds > CLOCK_TOLERANCE_SECONDS:
                self.metrics.messages_clock_ahead.labels(self.metrics.series_of(message.tenant)).inc()
            if result.skip_reason is not None:
                self.metrics.records_ignored.labels(result.skip_reason).inc()
            elif result.dead_letter_reason is not None:
                self.metrics.records_dead_lettered.labels(result.dead_letter_reason).inc()
            elif message is not None:
                latency_seconds = now - message.deadline + message.latency_budget_seconds
                late = now > message.deadline
                self.metrics.message_published(
                    message.tenant,
                    stage_seconds,
                    latency_seconds=latency_seconds,
                    late=late,
                    truncated_tokens=message.encoded.truncated_token_count,
                )
                for outgoing in result.outgoing:
                    self.metrics.record_published(outgoing.topic)
            result.trace.finish(stage_seconds, error_type=result.dead_letter_reason)

    def _time_left_out(self, message: Message, time_ms: int) -> None:
        self.metrics.messages_time_ignored.labels(self.metrics.series_of(message.tenant)).inc()
        topic = message.record.topic
        if topic not in self._topics_with_wrong_times:
            self._topics_with_wrong_times.add(topic)
            log.warning(
                "records have a time at which nothing can have been written, so their arrival counts instead",
                topic=topic,
                milliseconds=time_ms,
                likely="seconds where milliseconds are due" if time_ms < EARLIEST_MS else "micro- or nanoseconds",
            )

    def tenants_flooding(self, tenants: Collection[str], share: float) -> None:
        """The tenants of whose records more than `share` become dead letters; each is said when it begins and ends."""
        for tenant in sorted(set(tenants) - self._flooding):
            log.error(
                "too many of a tenant's records become dead letters; the other tenants are served on",
                tenant=tenant,
                delivery_flood_share=share,
            )
        for tenant in sorted(self._flooding - set(tenants)):
            log.info("fewer of a tenant's records become dead letters again", tenant=tenant)
        if self._flooding != set(tenants):
            self._flooding = set(tenants)
            self.metrics.tenant_flooding.clear()
            for tenant in self._flooding:
                self.metrics.tenant_flooding.labels(self.metrics.series_of(tenant)).set(1)

    def publish_failed(self, partition: Partition, failure: PublishError) -> None:
        """A round of a partition was not acknowledged; each cause is said once, not once for every partition."""
        self.metrics.publish_failures.labels(type(failure.__cause__).__name__).inc()
        self.metrics.publish_retries.inc()
        if str(failure) not in self._causes_said:
            self._causes_said.add(str(failure))
            log.error("publishing fails, will be tried again until it succeeds", error=str(failure))
        self._failing[partition] = str(failure)
        self.health.fail(PUBLISHING, str(failure))

    def publish_succeeded(self, partition: Partition) -> None:
        """A round of a partition was acknowledged."""
        if self._failing.pop(partition, None) is not None:
            if not self._failing:
                self._causes_said.clear()
                log.info("publishing works again")
            self._judge_publishing()

    def partition_closed(self, partition: Partition) -> None:
        """A partition is no longer ours; its failures are not either."""
        if self._failing.pop(partition, None) is not None:
            self._judge_publishing()

    def _judge_publishing(self) -> None:
        if self._failing:
            self.health.fail(PUBLISHING, next(iter(self._failing.values())))
        else:
            self.health.meet(PUBLISHING)


def _stage_seconds(message: Message, result: Result, now: float) -> dict[Stage, float]:
    """A dead letter may have skipped the later stages."""
    times = [
        (Stage.ADMIT, message.delivered_at, message.admitted_at),
        (Stage.QUEUE, message.admitted_at, message.bound_at),
        (Stage.SCORE, message.bound_at, message.scored_at),
        (Stage.DECIDE, message.scored_at, result.concluded_at),
        (Stage.PUBLISH, result.concluded_at, now),
    ]
    return {stage: until - since for stage, since, until in times if since and until}
