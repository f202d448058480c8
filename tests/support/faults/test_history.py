"""Made-up histories, each with one thing wrong, and what the checker says of them."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.faults.history import History, Input, Kind, Output, Sample, check, resumed_at

INPUTS = [
    Input(("in", offset % 2, offset // 2), f"key-{offset % 4}", offset // 4, f"uuid-{offset}", written_at=float(offset))
    for offset in range(40)
]


def output_of(each: Input, log_offset: int, *, topic: str = "out", appended_at: float = 100.0) -> Output:
    return Output(each.source, each.uuid, (topic, 0, log_offset), appended_at, f"decision of {each.uuid}")


OUTPUTS = [output_of(each, number) for number, each in enumerate(INPUTS)]
ALL_COMMITTED = Sample(200.0, {("in", 0): 20, ("in", 1): 20})
GOOD = History(INPUTS, OUTPUTS, [Sample(50.0, {}), ALL_COMMITTED])


def kinds(history: History) -> list[Kind]:
    return [anomaly.kind for anomaly in check(history)]


def without(number: int) -> list[Output]:
    return [*OUTPUTS[:number], *OUTPUTS[number + 1 :]]


def test_nothing_is_wrong_with_a_history_where_each_input_came_out_once_in_order():
    assert check(GOOD) == []
    assert (GOOD.repeats, GOOD.missing) == (0, [])


def test_an_input_without_output_that_the_offset_has_passed_is_lost():
    assert kinds(replace(GOOD, outputs=without(7))) == [Kind.LOST_WRITE]


def test_an_input_without_output_that_the_offset_has_not_passed_is_unseen():
    assert kinds(History(INPUTS, OUTPUTS[:-1], [Sample(200.0, {("in", 0): 20, ("in", 1): 19})])) == [Kind.UNSEEN]
    assert kinds(History(INPUTS, OUTPUTS[:-1])) == [Kind.UNSEEN]


def test_an_output_is_a_duplicate_where_none_is_allowed_and_below_the_limit_it_is_not():
    twice = [*OUTPUTS, output_of(INPUTS[3], 40), output_of(INPUTS[4], 41)]
    assert kinds(replace(GOOD, outputs=twice)) == [Kind.DUPLICATE]
    assert kinds(replace(GOOD, outputs=twice, repeats_allowed=1)) == [Kind.DUPLICATE]
    assert kinds(replace(GOOD, outputs=twice, repeats_allowed=2)) == []


def test_an_input_with_both_an_output_and_a_dead_letter_is_a_duplicate():
    both = [*OUTPUTS, replace(output_of(INPUTS[3], 0, topic="dead"), content=OUTPUTS[3].content)]
    assert kinds(replace(GOOD, outputs=both)) == [Kind.DUPLICATE]


def test_copies_that_differ_are_inconsistent_even_where_copies_are_allowed():
    other = replace(output_of(INPUTS[3], 40), content="another decision")
    assert kinds(replace(GOOD, outputs=[*OUTPUTS, other], repeats_allowed=9)) == [Kind.INCONSISTENT_DUPLICATE]


def test_a_later_input_of_a_key_that_comes_out_first_is_nonmonotonic():
    swapped = list(OUTPUTS)
    swapped[8], swapped[12] = output_of(INPUTS[12], 8), output_of(INPUTS[8], 12)
    assert kinds(replace(GOOD, outputs=swapped)) == [Kind.NONMONOTONIC]


def test_a_copy_that_comes_late_does_not_disturb_the_order_of_first_outputs():
    assert kinds(replace(GOOD, outputs=[*OUTPUTS, output_of(INPUTS[0], 40)], repeats_allowed=1)) == []


def test_order_across_keys_is_nobodys_business():
    swapped = list(OUTPUTS)
    swapped[8], swapped[9] = output_of(INPUTS[9], 8), output_of(INPUTS[8], 9)
    assert kinds(replace(GOOD, outputs=swapped)) == []


def test_an_offset_that_goes_backwards_is_nonmonotonic():
    samples = [Sample(150.0, {("in", 0): 9}), Sample(160.0, {("in", 0): 8}), ALL_COMMITTED]
    assert kinds(replace(GOOD, samples=samples)) == [Kind.NONMONOTONIC_COMMIT]


def test_an_offset_that_goes_backwards_for_a_moment_is_nonmonotonic_unless_the_run_allows_the_moment():
    samples = [Sample(150.0, {("in", 0): 9}), Sample(160.0, {("in", 0): 8}), ALL_COMMITTED]
    back_after = ALL_COMMITTED.at - 160.0
    assert kinds(replace(GOOD, samples=samples, rewind_seconds=back_after + 1)) == []
    assert kinds(replace(GOOD, samples=samples, rewind_seconds=back_after)) == [Kind.NONMONOTONIC_COMMIT]


def test_an_offset_that_stays_back_is_nonmonotonic_whatever_the_run_allows():
    samples = [ALL_COMMITTED, Sample(ALL_COMMITTED.at + 1, {("in", 0): 8})]
    assert kinds(replace(GOOD, samples=samples, rewind_seconds=1e9)) == [Kind.NONMONOTONIC_COMMIT]


def test_an_offset_that_passes_an_input_before_its_output_is_written_is_premature():
    late = [*OUTPUTS[:-1], output_of(INPUTS[-1], 39, appended_at=250.0)]
    assert kinds(replace(GOOD, outputs=late)) == [Kind.PREMATURE_COMMIT]
    held_back = [Sample(200.0, {("in", 0): 20, ("in", 1): 19}), Sample(251.0, {("in", 1): 20})]
    assert kinds(replace(GOOD, outputs=late, samples=held_back)) == []


def test_of_two_copies_the_earlier_counts_for_the_offset():
    twice = [*OUTPUTS, output_of(INPUTS[-1], 40, appended_at=250.0)]
    assert kinds(replace(GOOD, outputs=twice, repeats_allowed=1)) == []


def test_an_output_of_no_input_or_of_another_one_is_a_phantom():
    nobody = replace(OUTPUTS[0], source=("in", 0, 99), at=("out", 0, 40))
    assert kinds(replace(GOOD, outputs=[*OUTPUTS, nobody])) == [Kind.PHANTOM]
    mixed_up = [replace(OUTPUTS[0], uuid="uuid-1"), *OUTPUTS[1:]]
    assert kinds(replace(GOOD, outputs=mixed_up)) == [Kind.PHANTOM]


def test_an_output_of_an_input_that_was_taken_back_is_an_aborted_read():
    aborted = Output(("in", 0, 99), "taken back", ("out", 0, 40), 100.0, "x")
    assert kinds(replace(GOOD, outputs=[*OUTPUTS, aborted], aborted_uuids={"taken back"})) == [Kind.ABORTED_READ]


@given(st.permutations(range(40)), st.integers(0, 39))
def test_whatever_order_outputs_are_read_in_the_same_is_found(order: Sequence[int], lost: int):
    outputs = [OUTPUTS[number] for number in order if number != lost]
    assert kinds(replace(GOOD, outputs=outputs)) == [Kind.LOST_WRITE]


@pytest.mark.parametrize(("since", "expected"), [(0.0, 101.0), (37.5, 139.0), (38.5, None)])
def test_progress_has_resumed_once_every_partition_brought_out_something_written_since(
    since: float, expected: float | None
):
    first_out = {each.source: each.written_at + 100 for each in INPUTS}
    assert resumed_at(since, INPUTS, first_out, [("in", 0), ("in", 1)]) == expected
