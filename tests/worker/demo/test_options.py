import pytest

from worker.demo.options import PARTITIONS, DemoOptions, OptionError, check_options, plan_of


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (DemoOptions(messages=0), r"--messages 0: must be above 0"),
        (DemoOptions(rate=-1), r"--rate -1: must be above 0"),
        (DemoOptions(seconds=0), r"--seconds 0: must be above 0"),
        (DemoOptions(messages=10, rate=1, seconds=10), r"give at most two of them"),
        (DemoOptions(replicas=0), r"--replicas 0: must be between 1 and 6"),
        (DemoOptions(replicas=PARTITIONS + 1), r"--replicas 7: .*partitions"),
    ],
)
def test_what_cannot_be_is_refused_by_name(options: DemoOptions, reason: str) -> None:
    with pytest.raises(OptionError, match=reason):
        check_options(options)


def test_the_flow_leaves_the_workers_room_to_catch_up_unless_a_rate_is_given() -> None:
    assert plan_of(DemoOptions(), capacity=200).rate == 100
    assert plan_of(DemoOptions(rate=300), capacity=200).rate == 300


def test_the_given_number_of_messages_is_kept_whatever_the_capacity() -> None:
    for capacity in (1, 200, 1e6):
        assert plan_of(DemoOptions(messages=3000), capacity).messages == 3000


@pytest.mark.parametrize("options", [DemoOptions(seconds=20), DemoOptions(seconds=20, messages=777)])
def test_the_given_time_is_kept(options: DemoOptions) -> None:
    check_options(options)
    assert plan_of(options, capacity=50).seconds == pytest.approx(20, rel=0.05)


def test_very_slow_and_very_fast_machines_get_a_flow_worth_watching() -> None:
    assert plan_of(DemoOptions(), capacity=0.5).rate == 5
    assert plan_of(DemoOptions(), capacity=1e6).rate == 1000
