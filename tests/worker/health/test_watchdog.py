from hypothesis import given
from hypothesis import strategies as st

from worker.health.watchdog import Standing, Watchdog


def standing(name: str = "in-0@1", **changes: object) -> Standing:
    values = {"in_flight": 0, "lag": 0, "done": 0, "position": 0, "excused": False, **changes}
    return Standing(name, **values)  # pyright: ignore[reportArgumentType]


def looks(watchdog: Watchdog, standings: list[list[Standing]], every_seconds: float = 1.0) -> list[list[str]]:
    return [watchdog.look(each, number * every_seconds) for number, each in enumerate(standings)]


def test_records_in_flight_of_which_none_gets_done_are_a_standstill():
    still = [standing(in_flight=5, lag=9)]
    assert looks(Watchdog(3, 10), [still] * 4) == [
        [],
        [],
        [],
        ["in-0@1: 5 records in flight, lag 9, no progress for 3 s"],
    ]


def test_more_records_delivered_are_no_progress_while_none_gets_done():
    deliveries = [[standing(in_flight=number + 1, position=number + 1)] for number in range(4)]
    assert looks(Watchdog(3, 10), deliveries)[-1] != []


def test_a_lag_of_which_nothing_is_delivered_is_a_standstill():
    assert looks(Watchdog(3, 10), [[standing(lag=1)]] * 4)[-1] != []


def test_one_record_done_begins_the_wait_anew():
    stream = [[standing(in_flight=5, done=number // 3)] for number in range(12)]
    assert not any(looks(Watchdog(3, 10), stream))


def test_nothing_to_do_is_no_standstill():
    assert not any(looks(Watchdog(3, 10), [[standing()]] * 10))


def test_what_is_excused_is_no_standstill_and_begins_anew_afterwards():
    excused, stuck = [standing(lag=1, excused=True)], [standing(lag=1)]
    assert not any(looks(Watchdog(3, 10), [stuck] * 3 + [excused] + [stuck] * 3))


def test_a_new_assignment_is_not_blamed_for_the_old_one():
    stream = [[standing(f"in-0@{number // 3}", in_flight=1)] for number in range(12)]
    assert not any(looks(Watchdog(3, 10), stream))


def test_a_process_that_was_frozen_is_not_stuck():
    watchdog, still = Watchdog(30, 5), [standing(in_flight=1)]
    assert watchdog.look(still, 0) == watchdog.look(still, 1000) == watchdog.look(still, 2000) == []
    assert looks(Watchdog(10, 5), [still, still, still], every_seconds=1000)[-1] != []


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans()), min_size=1, max_size=60))
def test_it_speaks_only_of_partitions_that_had_work_and_no_progress_all_the_time(steps: list[tuple[int, int, bool]]):
    watchdog, history, done = Watchdog(5, 2), [], 0
    for number, (in_flight, lag, progress) in enumerate(steps):
        done += progress
        history.append((in_flight, lag, done))
        said = watchdog.look([standing(in_flight=in_flight, lag=lag, done=done, position=done)], float(number))
        if said:
            since = history[-6:]
            assert len(since) == 6
            assert all(in_flight or lag for in_flight, lag, _ in since)
            assert len({(bool(in_flight), done) for in_flight, _, done in since}) == 1
