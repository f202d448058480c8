import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.demo.tally import Classified, Tally, percentiles


def _classified(offset: int, *, late: bool = False, batch: int = 1, latency_ms: float = 10.0) -> Classified:
    labels = (("queue", "billing", 0.9),)
    return Classified("in", (0, offset), "desk", latency_ms, 500.0, late, batch, labels, "text", False)


def test_an_input_waits_until_its_result_is_seen() -> None:
    tally = Tally()
    tally.acknowledged((0, 0), 0.1)
    tally.acknowledged((0, 1), 0.2)
    assert (tally.messages_in, tally.waiting) == (2, 2)

    tally.record_classified(_classified(0), 0.3)
    tally.record_dead_lettered((0, 1), "invalid_json", 0.4)

    assert (tally.waiting, tally.classified, tally.dead_lettered) == (0, 1, 1)
    assert tally.reasons == {"invalid_json": 1}
    assert (tally.first_out, tally.last_out) == (0.3, 0.4)


def test_a_result_may_be_seen_before_the_acknowledgement_of_its_input() -> None:
    tally = Tally()
    tally.record_classified(_classified(7), 0.3)
    tally.acknowledged((0, 7), 0.4)
    assert (tally.messages_in, tally.waiting, tally.duplicates) == (1, 0, 0)


def test_a_second_result_is_a_duplicate_and_counts_for_nothing_else() -> None:
    tally = Tally()
    tally.record_classified(_classified(0), 0.1)
    tally.record_classified(_classified(0, late=True), 0.2)
    tally.record_dead_lettered((0, 0), "model_error", 0.3)
    assert tally.duplicates == 2
    assert (tally.classified, tally.dead_lettered, tally.on_time) == (1, 0, 1)


def test_a_copy_on_a_route_is_no_duplicate_but_a_second_one_is() -> None:
    tally = Tally()
    tally.record_classified(_classified(0), 0.1)
    for topic in ("urgent", "review"):
        tally.record_routed(topic, (0, 0))
    assert tally.duplicates == 0
    tally.record_routed("urgent", (0, 0))
    assert tally.duplicates == 1
    assert tally.routed == {"urgent": 1, "review": 1}


def test_shares_and_labels_are_kept_per_tenant() -> None:
    tally = Tally()
    assert tally.on_time_ratio == 1.0
    tally.record_classified(_classified(0), 0.1)
    tally.record_classified(_classified(1, late=True, latency_ms=900.0), 0.1)
    desk = tally.tenants["desk"]
    assert tally.on_time_ratio == 0.5
    assert (desk.classified, desk.on_time, desk.labels) == (2, 1, {"billing": 2})
    assert sorted(tally.latencies_ms) == [10.0, 900.0]


def test_latencies_of_more_than_ten_seconds_ago_are_not_recent() -> None:
    tally = Tally()
    tally.record_classified(_classified(0, latency_ms=1.0), 0.0)
    tally.record_classified(_classified(1, latency_ms=2.0), 9.0)
    assert tally.tenants["desk"].recent_ms(11.0) == [2.0]


def test_a_batch_is_counted_once_however_many_of_its_messages_are_seen() -> None:
    tally = Tally()
    for offset, size in enumerate([1, 3, 3, 3, 0]):
        tally.record_classified(_classified(offset, batch=size), 0.1)
    assert tally.mean_batch_messages() == pytest.approx(2.0)
    assert tally.remembered == 1
    assert Tally().mean_batch_messages() == 0.0


def test_rates_are_counts_of_whole_seconds() -> None:
    tally = Tally()
    for offset, moment in enumerate((0.1, 0.9, 1.5)):
        tally.acknowledged((0, offset), moment)
    tally.record_classified(_classified(0), 1.2)
    assert tally.rates(2, 3) == ([0, 2, 1], [0, 0, 1])


def test_percentiles_without_values_are_zero() -> None:
    assert percentiles([]) == [0.0, 0.0, 0.0]


@given(st.lists(st.floats(0, 1e6), min_size=1), st.integers(1, 100))
def test_a_percentile_is_a_value_that_so_many_do_not_exceed(values: list[float], point: int) -> None:
    (found,) = percentiles(values, (point,))
    assert found in values
    assert sum(value <= found for value in values) * 100 >= point * len(values)
    assert sum(value < found for value in values) * 100 < point * len(values)
