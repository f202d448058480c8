import pytest

from worker.checks.group import members_result
from worker.checks.result import Outcome


@pytest.mark.parametrize(("members", "partitions"), [(0, 4), (3, 4), (0, 0)])
def test_a_group_with_room_is_fine(members: int, partitions: int):
    result = members_result("group", members, "range" if members else "", partitions)
    assert result.outcome is Outcome.OK
    assert result.detail == f"{members} now, for {partitions} partitions"


def test_members_that_have_nothing_to_read_are_counted():
    result = members_result("group", 6, "range", 4)
    assert result.outcome is Outcome.WARNING
    assert "2 of them have nothing to read" in result.detail


def test_a_full_group_would_take_one_more_as_a_spare():
    assert "one more would only be a spare" in members_result("group", 4, "range", 4).detail


def test_members_that_cannot_agree_with_this_worker_are_named_with_their_assignor():
    result = members_result("group", 2, "cooperative-sticky", 4)
    assert result.outcome is Outcome.FAILED
    assert "'cooperative-sticky'" in result.detail
    assert "kafka.group_id" in result.detail
