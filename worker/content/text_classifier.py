"""Texts that come from no topic, through the stream's own admission, pass and decision."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

from model.scorer import Scorer
from model.training.scoring import BATCH_TOKENS, batches_by_length
from schemas import records
from schemas.policy import PolicyFile
from schemas.records import DeadLetterReason, TaskResult
from schemas.settings import InputSettings
from worker.content.admission import Admission
from worker.content.codec import RecordDecoder
from worker.content.dead_letters import DeadLetters
from worker.content.decision import decide
from worker.device.thread import TaskLogits, score_or_bisect
from worker.in_flight.message import Message, Result
from worker.policies.compiled import CompiledPolicy, CompileOptions, PolicyStore, compile_policies
from worker.telemetry.tracing import Tracing

NO_TOPIC = "texts"


@dataclass(frozen=True, slots=True)
class Scored:
    """What the policy makes of one text. `logits` has one array per task; `tasks` holds every label's score."""

    logits: TaskLogits
    tasks: dict[str, TaskResult]
    truncated_tokens: int
    replaced_characters: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A text of which the worker would make a dead letter."""

    reason: DeadLetterReason
    error: str


class TextClassifier:
    """One tenant's policy on one model: a text is admitted, scored and decided on exactly as in the stream.

    Raises PolicyError when the model refuses a label set. Belongs to one thread.
    """

    def __init__(self, scorer: Scorer, file: PolicyFile, tenant: str, max_text_bytes: int) -> None:
        """`file` has a policy for `tenant`, or a default one; only that is compiled."""
        decoder = RecordDecoder(InputSettings(topics=[NO_TOPIC], max_text_bytes=max_text_bytes), payload="none")
        own = {tenant: file.tenants[tenant]} if tenant in file.tenants else {}
        served = file.model_copy(update={"tenants": own, "default": None if own else file.default})
        policies = PolicyStore(compile_policies(served, scorer, CompileOptions()))
        resolved = policies.resolve(tenant)
        assert resolved is not None
        self.policy = resolved
        self._shown = with_every_score(resolved)
        self._scorer = scorer
        self._tenant = tenant
        self._admission = Admission(
            decoder, policies.resolve, scorer, DeadLetters(NO_TOPIC, sys.maxsize), Tracing(None)
        )

    def classify(self, texts: Sequence[str | bytes]) -> list[Scored | Refused]:
        """One outcome per text, in order. Bytes are a text in UTF-8, or a dead letter where they are not."""
        admitted = [self._admission.admit_one(_NOBODY, _Text(self._value(text)), delivered_at=0.0) for text in texts]
        outcomes: list[Scored | Refused | None] = [
            _refused(each) if isinstance(each, Result) else None for each in admitted
        ]
        messages = [(place, each) for place, each in enumerate(admitted) if isinstance(each, Message)]
        lengths = [message.token_count for _, message in messages]
        for batch in batches_by_length(lengths, BATCH_TOKENS):
            scored = score_or_bisect(self._scorer.score, [messages[index][1].encoded for index in batch])
            for index, outcome in zip(batch, scored.outcomes, strict=True):
                place, message = messages[index]
                outcomes[place] = self._decided(message, outcome)
        return [outcome for outcome in outcomes if outcome is not None]

    def _decided(self, message: Message, outcome: TaskLogits | Exception) -> Scored | Refused:
        try:
            if isinstance(outcome, Exception):
                raise outcome
            tasks = decide(self._shown, outcome)
        except Exception as error:  # whatever fails on one text alone is its dead letter, as in the stream
            return Refused(DeadLetterReason.MODEL_ERROR, type(error).__qualname__)
        decoded, encoded = message.decoded, message.encoded
        return Scored(outcome, tasks, encoded.truncated_token_count, decoded.replaced_characters)

    def _value(self, text: str | bytes) -> bytes:
        """The JSON of a record with this text. Bytes stay what they are, also where they are no UTF-8."""
        if isinstance(text, str):
            return json.dumps({"tenant": self._tenant, "text": text}).encode()
        found = {"tenant": self._tenant, "text": text.decode(errors="surrogateescape")}
        return json.dumps(found, ensure_ascii=False).encode(errors="surrogateescape")


def with_every_score(policy: CompiledPolicy) -> CompiledPolicy:
    """The same policy, its tasks publishing the score of every label."""
    return replace(policy, tasks=tuple(replace(task, publish_all_scores=True) for task in policy.tasks))


def _refused(result: Result) -> Refused:
    (outgoing,) = result.outgoing
    headers = dict(outgoing.headers)
    assert result.dead_letter_reason is not None
    return Refused(result.dead_letter_reason, (headers[records.HEADER_ERROR] or b"").decode())


@dataclass(frozen=True, slots=True)
class _Text:
    """A record of no topic."""

    value: bytes
    key: bytes | None = None
    topic: str = NO_TOPIC
    partition: int = 0
    offset: int = 0
    timestamp: int = -1
    headers: tuple[tuple[str, bytes | None], ...] = ()


class _Nobody:
    """The owner of a message whose outcome is returned and never handed over."""

    may_conclude = True

    def conclude(self, result: Result) -> None:
        raise AssertionError("a text of no topic has nobody to take its result")

    def give_back(self, message: Message) -> None:
        raise AssertionError("a text of no topic has nobody to bring it again")


_NOBODY = _Nobody()
