from worker.kafka.instance_contest import InstanceContest


def contested(joins: list[tuple[str, float]]) -> list[bool]:
    contest = InstanceContest(session_timeout_seconds=10)
    return [contest.joined(member_id, now) for member_id, now in joins]


def test_a_member_keeps_its_id_through_any_number_of_rebalances():
    assert not any(contested([("a-1", number) for number in range(50)]))


def test_a_newcomer_that_is_replaced_three_times_in_a_row_has_a_rival():
    assert contested([("a-1", 0), ("a-2", 2), ("a-3", 4), ("a-4", 6)]) == [False, False, False, True]


def test_whoever_was_there_long_before_holds_out_longer():
    joins = [(f"a-{number}", 1000 + 2 * number) for number in range(1, 7)]
    assert contested([("a-0", 0), *joins]) == [False] * 6 + [True]


def test_a_place_lost_by_silence_now_and_then_is_no_contest():
    assert not any(contested([(f"a-{number}", number * 11) for number in range(20)]))
