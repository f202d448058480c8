from pathlib import Path

import pytest

from worker.demo.options import PARTITIONS, DemoOptions, OptionError, check_options, pace_of, plan_of


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


def test_a_folder_without_a_checkpoint_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"--model .*nowhere: no such folder"):
        check_options(DemoOptions(model=tmp_path / "nowhere"))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(OptionError, match=r"--model .*: no checkpoint lies there: it needs config.json and model"):
        check_options(DemoOptions(model=tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"")
    check_options(DemoOptions(model=tmp_path))


@pytest.mark.parametrize(
    ("options", "capacity", "pace"),
    [
        (DemoOptions(), 146, "sends 73/s, 50% of the 146/s that this machine can do: room for a burst"),
        (DemoOptions(), 4000, "sends 1000/s, 25% of the 4000/s that this machine can do: room for a burst"),
        (DemoOptions(), 2, "sends 5/s, its least, of the 2/s that this machine can do"),
        (DemoOptions(rate=300), 146, "sends 300/s, as asked, of the 146/s that this machine can do"),
        (DemoOptions(messages=920, seconds=10), 146, "sends 85/s, as asked, of the 146/s that this machine can do"),
    ],
)
def test_the_pace_is_told_beside_what_the_machine_can_do(options: DemoOptions, capacity: float, pace: str) -> None:
    assert pace_of(options, plan_of(options, capacity), capacity) == pace
