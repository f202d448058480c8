import time
from collections.abc import Sequence

from benchmarks.engines.trace_replay import ReplayedMessage, replay
from benchmarks.simulator.peers import FirstInFirstOut


def trace(arrivals: Sequence[float]) -> list[ReplayedMessage]:
    return [ReplayedMessage("a", 1.0, 0.5, 10, 100, at, at, at + 0.5) for at in arrivals]


def test_every_message_is_scored_once_and_none_before_it_arrived():
    scored: list[ReplayedMessage] = []

    def score(batch: Sequence[ReplayedMessage]) -> None:
        scored.extend(batch)
        time.sleep(0.01)

    messages = trace([0.0, 0.0, 0.02, 0.05, 0.05])
    run = replay(FirstInFirstOut(2), messages, score)
    assert scored == messages
    assert all(message.finished >= message.arrival + 0.01 for message in messages)
    assert run.batches >= 3
    assert 0.03 <= run.busy_seconds <= run.seconds
