import pytest

from worker.health.conditions import Health


def test_a_worker_without_loops_and_conditions_is_live_and_ready() -> None:
    health = Health([])
    assert health.not_live(now=1e9) == []
    assert health.not_ready(now=1e9) == []


def test_a_loop_that_beats_in_time_is_alive() -> None:
    health = Health([])
    health.watch("fetch", max_silence_seconds=10, now=100)
    health.beat("fetch", now=109)
    assert health.not_live(now=119) == []


def test_a_silent_loop_is_named_with_its_silence_and_its_limit() -> None:
    health = Health([])
    health.watch("fetch", max_silence_seconds=10, now=100)
    health.watch("device", max_silence_seconds=30, now=100)
    assert health.not_live(now=110.5) == ["fetch: no progress for 10.5 s (limit 10 s)"]
    assert [reason.split(":")[0] for reason in health.not_live(now=131)] == ["fetch", "device"]


def test_a_loop_that_never_beat_is_silent_since_it_was_watched() -> None:
    health = Health([])
    health.watch("fetch", max_silence_seconds=1, now=50)
    assert health.not_live(now=51) == []
    assert health.not_live(now=51.1) != []


def test_a_silent_loop_that_beats_again_is_alive_again() -> None:
    health = Health([])
    health.watch("fetch", max_silence_seconds=1, now=0)
    assert health.not_live(now=5) != []
    health.beat("fetch", now=5)
    assert health.not_live(now=5) == []


def test_a_beat_of_an_unknown_loop_is_a_fault_of_the_caller() -> None:
    with pytest.raises(KeyError):
        Health([]).beat("fetch", now=0)


def test_ready_only_when_every_condition_was_met() -> None:
    health = Health(["model_loaded", "assigned"])
    assert health.not_ready(now=0) == ["model_loaded: not yet", "assigned: not yet"]
    health.meet("model_loaded")
    assert health.not_ready(now=0) == ["assigned: not yet"]
    health.meet("assigned")
    assert health.not_ready(now=0) == []


def test_a_condition_can_be_lost_and_met_again() -> None:
    health = Health(["dead_letter_reachable"])
    health.meet("dead_letter_reachable")
    health.fail("dead_letter_reachable", "topic tickets.dead-letters does not exist")
    assert health.not_ready(now=0) == ["dead_letter_reachable: topic tickets.dead-letters does not exist"]
    assert health.not_live(now=0) == []
    health.meet("dead_letter_reachable")
    assert health.not_ready(now=0) == []


def test_a_worker_that_is_not_alive_is_not_ready() -> None:
    health = Health([])
    health.watch("fetch", max_silence_seconds=1, now=0)
    assert health.not_ready(now=3) == health.not_live(now=3) != []


def test_a_condition_nobody_announced_is_refused() -> None:
    health = Health(["assigned"])
    with pytest.raises(KeyError, match="asigned"):
        health.meet("asigned")
    with pytest.raises(KeyError, match="asigned"):
        health.fail("asigned", "no")
