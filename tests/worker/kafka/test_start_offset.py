from typing import Any

import pytest

from worker.errors import OffsetLostError
from worker.kafka.start_offset import Log, next_offset, start_offset

LOG = Log("in-0", 10, 20)


@pytest.mark.parametrize("reset", ["earliest", "latest", "fail"])
@pytest.mark.parametrize("committed", [10, 15, 20])
def test_a_committed_offset_that_the_log_has_is_where_reading_begins(committed: int, reset: Any):
    assert start_offset(LOG, committed, reset, "group") == committed


@pytest.mark.parametrize("committed", [None, 9, 21])
def test_without_one_the_settings_say_where(committed: int | None):
    assert start_offset(LOG, committed, "earliest", "group") == 10
    assert start_offset(LOG, committed, "latest", "group") == 20


def test_a_partition_added_while_the_group_was_at_work_is_read_from_its_beginning():
    assert start_offset(LOG, None, "latest", "group", added=True) == 10
    assert start_offset(LOG, 9, "latest", "group", added=True) == 20


@pytest.mark.parametrize(
    ("committed", "told"), [(None, "no committed offset for group 'g'"), (9, "9 is outside the log")]
)
def test_where_the_settings_say_fail_it_is_an_error(committed: int | None, told: str):
    with pytest.raises(OffsetLostError, match=told):
        start_offset(LOG, committed, "fail", "g")


def test_a_reader_that_retention_has_passed_goes_on_as_the_settings_say():
    assert next_offset(LOG, 5, "earliest") == 10
    assert next_offset(LOG, 5, "latest") == 20
    with pytest.raises(OffsetLostError, match="retention has passed"):
        next_offset(LOG, 5, "fail")


@pytest.mark.parametrize("reset", ["earliest", "latest", "fail"])
def test_a_reader_beyond_the_end_of_the_log_ends(reset: Any):
    with pytest.raises(OffsetLostError, match="made anew under this worker"):
        next_offset(LOG, 21, reset)


@pytest.mark.parametrize("position", [10, 15, 20])
def test_a_refusal_that_was_over_before_it_was_looked_into_changes_nothing(position: int):
    assert next_offset(LOG, position, "fail") == position
