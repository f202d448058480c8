from collections.abc import Sequence

import pytest

from benchmarks.kafka.figures import Measured, figures, tokens_per_second
from benchmarks.kafka.systems import Appended


def test_neither_the_start_nor_the_end_of_a_backlog_counts():
    batches = [(1000, range(0, 10)), (1100, range(10, 50)), (1200, range(50, 90)), (9000, range(90, 100))]
    appended = [Appended(at_ms, place) for at_ms, places in batches for place in places]
    assert tokens_per_second(appended, [7]) == pytest.approx(7 * 40 / 7.9 + 7 * 10 / 7.9)


def test_long_texts_count_for_more_than_short_ones():
    appended = [Appended(1000 + 10 * place, place) for place in range(100)]
    assert tokens_per_second(appended, [10, 30]) == pytest.approx(20 * 100, rel=0.02)


def test_results_that_come_all_at_once_have_no_throughput():
    with pytest.raises(RuntimeError, match="longer backlog"):
        tokens_per_second([Appended(1000, place) for place in range(10)], [5])


def measured(speeds: Sequence[float], offline: Sequence[float]) -> Measured:
    names = ("worker_fp32", "worker_best", "two_workers_fp32", "a", "b")
    one = Measured(10.0, dict(zip(names, speeds, strict=True)))
    one.offline = {"worker_fp32": (offline[0], offline[1]), "worker_best": (offline[2], offline[3])}
    one.two_engines_tokens_per_second = 1.8 * (offline[0] + offline[1]) / 2
    return one


def of_rounds(*rounds: Measured) -> dict[str, float]:
    return figures(rounds, "worker_fp32", "worker_best", "two_workers_fp32")


def test_ratios_are_of_the_same_round():
    slow = measured((30.0, 60.0, 57.0, 10.0, 5.0), (41.0, 39.0, 80.0, 80.0))
    fast = measured((90.0, 150.0, 180.0, 20.0, 30.0), (100.0, 100.0, 150.0, 150.0))
    fast.on_time_percent = {"worker_fp32": 99.0}
    found = of_rounds(slow, fast)
    assert found["worker_to_offline_maximum"] == pytest.approx((0.75 + 0.9) / 2)
    assert found["worker_to_offline_maximum_best_dtype"] == pytest.approx((0.75 + 1.0) / 2)
    assert found["best_peer_ratio_fp32"] == 3.0
    assert found["best_peer_ratio_best_dtype"] == pytest.approx((6.0 + 5.0) / 2)
    assert found["two_replicas_ratio"] == pytest.approx((1.9 + 2.0) / 2)
    assert (found["two_replicas_ratio_lowest"], found["two_replicas_ratio_highest"]) == (1.9, 2.0)
    assert found["two_engines_ratio"] == pytest.approx(1.8)
    assert found["messages_per_second_a"] == 1.5
    assert found["on_time_worker_fp32"] == 99.0
    assert "on_time_a" not in found


def test_what_ran_while_the_machine_drifted_is_left_out():
    steady = measured((90.0, 150.0, 171.0, 20.0, 30.0), (100.0, 100.0, 150.0, 150.0))
    drifting = measured((90.0, 150.0, 90.0, 20.0, 30.0), (100.0, 50.0, 150.0, 150.0))
    found = of_rounds(steady, drifting)
    assert (found["worker_to_offline_maximum"], found["two_replicas_ratio"]) == (0.9, 1.9)
    assert (found["rounds"], found["steady_rounds"]) == (2, 1)
    with pytest.raises(RuntimeError, match="drifted"):
        of_rounds(drifting)
