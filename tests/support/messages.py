"""Messages that wait for a score, without a model, and owners that remember what they were handed."""

from typing import cast

import numpy as np
from support.policies import compiled_policy
from support.records import consumer_record

from model.long_text import Combine
from model.prompt import EncodedText, TextPass
from worker.in_flight.message import DecodedRecord, Message, Owner, Result
from worker.policies.compiled import CompiledPolicy
from worker.telemetry.tracing import NOT_TRACED

POLICY = compiled_policy("tenants: {shop: {tasks: {queue: {mode: single, labels: [billing, shipping]}}}}")


class RecordingOwner:
    """Takes results and messages given back, as long as it is there."""

    def __init__(self) -> None:
        self.results: list[Result] = []
        self.given_back: list[Message] = []
        self.may_conclude = True

    def conclude(self, result: Result) -> None:
        assert self.may_conclude, "concluded at an owner that is gone"
        self.results.append(result)

    def give_back(self, message: Message) -> None:
        self.given_back.append(message)

    @property
    def offsets(self) -> list[int]:
        return [result.offset for result in self.results]


def message(
    owner: Owner,
    offset: int = 0,
    text: str | None = None,
    *,
    deadline: float = 1000.0,
    token_count: int = 10,
    policy: CompiledPolicy = POLICY,
) -> Message:
    """A message that was admitted at 0; without `text` it is like no other."""
    text = text if text is not None else f"text {offset}"
    text_pass = TextPass(np.zeros(token_count, np.int64), ())
    return Message(
        owner=owner,
        record=consumer_record(offset=offset),
        decoded=DecodedRecord(text, policy.tenant, None, None, None, 0),
        policy=policy,
        encoded=cast(EncodedText, EncodedText((text_pass,), (), Combine.MEAN, token_count, 0)),
        duplicate_key=(policy.version, text.encode()),
        deadline=deadline,
        delivered_at=0.0,
        admitted_at=0.0,
        trace=NOT_TRACED,
    )
