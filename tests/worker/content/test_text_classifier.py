"""The same texts through the stream's own stages and through what the commands use: equal outcomes."""

import asyncio
import json

import pytest
from support.batching import cost_model
from support.messages import RecordingOwner
from support.policies import policy_file
from support.records import consumer_record

from model.scorer import Scorer
from schemas import records
from schemas.records import DeadLetterReason
from schemas.settings import InputSettings
from worker.batching.batcher import Batcher
from worker.content.admission import Admission
from worker.content.codec import RecordDecoder
from worker.content.dead_letters import DeadLetters
from worker.content.enrichment import Enrichment
from worker.content.text_classifier import Refused, Scored, TextClassifier
from worker.device.thread import Device
from worker.health.conditions import Health
from worker.in_flight.duplicates import Duplicates
from worker.in_flight.message import Message, Result
from worker.in_flight.record_limits import RecordLimits
from worker.policies.compiled import CompileOptions, PolicyStore, compile_policies
from worker.stream.recorder import CONDITIONS, Recorder
from worker.stream.scoring import Scoring
from worker.telemetry.metrics import Metrics
from worker.telemetry.tracing import Tracing

MAX_TEXT_BYTES = 40_000
TRICKY = """
unknown_tenant: default
default:
  tasks:
    topic: {mode: single, labels: [billing, shipping], threshold: 0.5}
tenants:
  shop:
    long_text: {mode: windows, overlap_tokens: 4, pool: mean}
    tasks:
      queue:
        mode: single
        labels: {money: {invoice: what is owed, refund: money back}, goods: [parcel, "box, crate"]}
        prompt: "Sort this: "
        threshold: 0.27
        thresholds: {money.refund: 0.26}
        calibration: {temperature: 3.5}
        examples: [{text: where is it, labels: [goods.parcel]}]
      abuse:
        mode: multi
        labels: {threat: says that harm will come, insult: null}
        thresholds: {insult: 0.4}
        calibration: {temperature: 0.5, bias: -0.3}
  forum:
    long_text: {mode: head_tail}
    tasks:
      abuse: {mode: multi, labels: [threat, insult], threshold: 0.999}
"""
TEXTS = [
    "Where is my parcel?",
    "",
    " \t\n",
    "\u200b\u2060",
    "half a pair \ud83d here",
    "a low half \udcff here",
    "NUL \x00 and [CLS] [SEP] <<LABEL>>",
    "word " * 3000,
    "x" * (MAX_TEXT_BYTES + 1),
    "🙂 ❤️",
    "Where is my parcel?",
]


async def in_the_stream(scorer: Scorer, tenant: str, values: list[bytes]) -> list[Result]:
    """What admission, batcher, device and enrichment make of these record values, in order."""
    policies = PolicyStore(compile_policies(policy_file(TRICKY), scorer, CompileOptions(scores="all")))
    settings = InputSettings(topics=["in"], max_text_bytes=MAX_TEXT_BYTES)
    dead_letters, tracing = DeadLetters("dead", 10**9), Tracing(None)
    admission = Admission(RecordDecoder(settings, "all"), policies.resolve, scorer, dead_letters, tracing)
    limits = RecordLimits()
    limits.learn({"out": 10**9})
    device = Device()

    async def score(texts, predicted_seconds):
        return await device.score(scorer, texts, predicted_seconds)

    scoring = Scoring(
        batcher=Batcher(cost_model(), max_batch_tokens=4000, drops_late=lambda message: False),
        duplicates=Duplicates(100),
        score=score,
        enrichment=Enrichment("out", "digest", dead_letters, limits),
        recorder=Recorder(Metrics(), tracing, Health(CONDITIONS), max_silence_seconds=10),
    )
    owner = RecordingOwner()
    running = asyncio.create_task(scoring.run())
    admitted = await admission.admit(owner, [consumer_record(value, offset=at) for at, value in enumerate(values)])
    scoring.add([each for each in admitted if isinstance(each, Message)])
    refused = [each for each in admitted if isinstance(each, Result)]
    async with asyncio.timeout(60):
        while len(refused) + len(owner.results) < len(values):
            await asyncio.sleep(0.001)
    running.cancel()
    await asyncio.wait({running})
    scoring.close()
    device.close()
    admission.close()
    return sorted([*refused, *owner.results], key=lambda result: result.offset)


def held_alike(streamed: Result, outcome: Scored | Refused) -> None:
    (outgoing,) = streamed.outgoing
    if isinstance(outcome, Refused):
        headers = dict(outgoing.headers)
        assert streamed.dead_letter_reason == outcome.reason
        assert headers[records.HEADER_ERROR] == outcome.error.encode()
        return
    value = json.loads(outgoing.value or b"")
    assert value["tasks"] == {name: task.model_dump(exclude_none=True) for name, task in outcome.tasks.items()}
    assert value.get("truncated_tokens", 0) == outcome.truncated_tokens
    assert value.get("replaced_characters", 0) == outcome.replaced_characters


@pytest.mark.parametrize("tenant", ["shop", "forum", "nobody in particular"])
async def test_every_text_ends_as_it_ends_in_the_stream(scorer: Scorer, tenant: str):
    values = [json.dumps({"tenant": tenant, "text": text}).encode() for text in TEXTS]
    outcomes = TextClassifier(scorer, policy_file(TRICKY), tenant, MAX_TEXT_BYTES).classify(TEXTS)
    for streamed, outcome in zip(await in_the_stream(scorer, tenant, values), outcomes, strict=True):
        held_alike(streamed, outcome)
    reasons = [outcome.reason for outcome in outcomes if isinstance(outcome, Refused)]
    assert reasons == [DeadLetterReason.TEXT_EMPTY] * 3 + [DeadLetterReason.TEXT_TOO_LARGE]


async def test_bytes_that_are_no_utf_8_end_as_they_do_in_the_stream(scorer: Scorer):
    texts = [b"good", b"\xff\xfe", "grün".encode()]
    values = [b'{"tenant": "forum", "text": "%s"}' % text for text in texts]
    outcomes = TextClassifier(scorer, policy_file(TRICKY), "forum", MAX_TEXT_BYTES).classify(texts)
    streamed = await in_the_stream(scorer, "forum", values)
    assert [isinstance(outcome, Refused) for outcome in outcomes] == [False, True, False]
    assert [result.dead_letter_reason for result in streamed] == [None, DeadLetterReason.INVALID_UTF8, None]
    held_alike(streamed[0], outcomes[0])
    held_alike(streamed[2], outcomes[2])


def test_a_text_on_which_the_model_fails_is_refused_alone(scorer: Scorer, monkeypatch: pytest.MonkeyPatch):
    classifier = TextClassifier(scorer, policy_file(TRICKY), "forum", MAX_TEXT_BYTES)
    score = scorer.score
    lengths = {text: len(scorer.encode(text, classifier.policy.prepared).passes[0].token_ids) for text in ("ab", "b")}

    def failing(batch):
        if any(len(encoded.passes[0].token_ids) == lengths["ab"] for encoded in batch):
            raise RuntimeError("poison")
        return score(batch)

    assert lengths["ab"] != lengths["b"]
    monkeypatch.setattr(scorer, "score", failing)
    good, bad, other = classifier.classify(["b", "ab", "b"])
    assert bad == Refused(DeadLetterReason.MODEL_ERROR, "RuntimeError")
    assert isinstance(good, Scored)
    assert isinstance(other, Scored)


def test_every_score_is_shown_of_a_task_that_publishes_only_the_chosen(scorer: Scorer):
    file = policy_file("tenants: {forum: {tasks: {abuse: {mode: multi, labels: [a, b], scores: chosen}}}}")
    classifier = TextClassifier(scorer, file, "forum", MAX_TEXT_BYTES)
    (outcome,) = classifier.classify(["some text"])
    assert isinstance(outcome, Scored)
    assert set(outcome.tasks["abuse"].scores or {}) == {"a", "b"}
