from hypothesis import given
from hypothesis import strategies as st

from worker.kafka.assignor import EvenRangeAssignor, shared_out

TOPICS = ["a", "b", "c", "d", "e", "f", "g"]


def totals(shares: dict[str, list]) -> dict[str, int]:
    return {member: sum(len(share.partitions) for share in own) for member, own in shares.items()}


def test_topics_of_one_partition_are_shared_by_all_members():
    shares = shared_out({topic: [0] for topic in "abcdef"}, {member: list("abcdef") for member in ("x", "y", "z")})
    assert totals(shares) == {"x": 2, "y": 2, "z": 2}


def test_neighbouring_partitions_stay_together():
    shares = shared_out({"a": range(6), "b": range(6)}, {"x": "ab", "y": "ab"})
    assert shares["x"] == [("a", [0, 1, 2]), ("b", [0, 1, 2])]
    assert shares["y"] == [("a", [3, 4, 5]), ("b", [3, 4, 5])]


def test_a_topic_is_given_only_to_those_that_read_it():
    shares = shared_out({"a": range(4), "b": range(4)}, {"x": ["a"], "y": ["a", "b"]})
    assert totals(shares) == {"x": 2, "y": 6}


@given(st.dictionaries(st.sampled_from(TOPICS), st.integers(0, 12), max_size=7), st.integers(1, 9), st.randoms())
def test_members_with_equal_topics_differ_by_one_partition_at_most_and_each_partition_has_one_owner(
    counts: dict[str, int], members: int, shuffler
):
    names = [f"member-{number}" for number in range(members)]
    shuffler.shuffle(names)
    shares = shared_out({topic: range(count) for topic, count in counts.items()}, dict.fromkeys(names, TOPICS))
    given_to = [(share.topic, number) for own in shares.values() for share in own for number in share.partitions]
    assert sorted(given_to) == [(topic, number) for topic in sorted(counts) for number in range(counts[topic])]
    assert max(totals(shares).values()) - min(totals(shares).values()) <= 1


def test_it_goes_by_the_name_that_every_member_of_an_older_group_knows():
    assert EvenRangeAssignor.name == "range"
