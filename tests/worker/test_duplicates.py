"""Identical texts: scored once, never lost, never mixed up, and bounded in memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from worker.duplicates import Claim, Duplicates, duplicate_key


def test_the_first_message_with_a_text_leads_and_the_next_one_follows():
    duplicates: Duplicates[str, int] = Duplicates(10)
    assert duplicates.claim("key", "first") is Claim.LEADS
    assert duplicates.claim("key", "second") is Claim.FOLLOWS
    assert duplicates.claim("other key", "third") is Claim.LEADS
    assert duplicates.scored("key", 7) == ["second"]
    assert duplicates.in_flight_hits == 1


def test_a_recent_result_answers_at_once():
    duplicates: Duplicates[str, int] = Duplicates(10)
    duplicates.claim("key", "first")
    duplicates.scored("key", 7)
    assert duplicates.claim("key", "second") == 7
    assert duplicates.recent_hits == 1


def test_the_least_recently_used_result_is_forgotten_first():
    duplicates: Duplicates[str, int] = Duplicates(2)
    for number, key in enumerate(("a", "b")):
        duplicates.claim(key, key)
        duplicates.scored(key, number)
    assert duplicates.claim("a", "again") == 0
    duplicates.claim("c", "c")
    duplicates.scored("c", 2)
    assert len(duplicates) == 2
    assert duplicates.claim("a", "again") == 0
    assert duplicates.claim("b", "again") is Claim.LEADS


def test_switched_off_every_message_is_scored():
    duplicates: Duplicates[str, int] = Duplicates(0)
    assert duplicates.claim("key", "first") is Claim.LEADS
    assert duplicates.claim("key", "second") is Claim.LEADS
    assert duplicates.scored("key", 7) == []
    assert duplicates.claim("key", "third") is Claim.LEADS
    assert len(duplicates) == 0


def test_a_negative_capacity_is_refused():
    with pytest.raises(ValueError, match="give 0 to switch it off"):
        Duplicates(-1)


def test_a_failing_text_hands_back_its_followers_and_is_not_remembered():
    duplicates: Duplicates[str, int] = Duplicates(10)
    duplicates.claim("key", "first")
    duplicates.claim("key", "second")
    assert duplicates.failed("key") == ["second"]
    assert duplicates.claim("key", "third") is Claim.LEADS


def test_a_follower_leads_when_its_leader_is_revoked():
    duplicates: Duplicates[str, int] = Duplicates(10)
    for message in ("revoked leader", "revoked follower", "follower", "another"):
        duplicates.claim("key", message)
    discarded = duplicates.discard(lambda message: message.startswith("revoked"))
    assert discarded.removed == ["revoked leader", "revoked follower"]
    assert discarded.promoted == ["follower"]
    assert duplicates.scored("key", 7) == ["another"]


def test_a_flight_ends_when_all_its_messages_are_revoked():
    duplicates: Duplicates[str, int] = Duplicates(10)
    duplicates.claim("key", "first")
    assert duplicates.discard(lambda _: True).promoted == []
    assert duplicates.claim("key", "second") is Claim.LEADS


@given(st.lists(st.tuples(st.text(max_size=3), st.text(max_size=3), st.text(max_size=3)), min_size=2, max_size=6))
def test_keys_are_equal_only_for_the_same_policy_version_model_and_text(contents: list[tuple[str, str, str]]):
    assert len({duplicate_key(*content) for content in contents}) == len(set(contents))


def test_a_lone_surrogate_has_a_key():
    assert duplicate_key("v", "m", "\ud800") != duplicate_key("v", "m", "\ufffd")


class DuplicatesMachine(RuleBasedStateMachine):
    """Every message ends with the result of its own key exactly once, or is handed back by `discard` exactly once."""

    @initialize(capacity=st.integers(0, 3))
    def start(self, capacity: int) -> None:
        self.capacity = capacity
        self.duplicates: Duplicates[tuple[str, int], str] = Duplicates(capacity)
        self.count = 0
        self.in_flight: set[tuple[str, int]] = set()
        self.leading: list[tuple[str, int]] = []

    @rule(key=st.sampled_from("abcd"))
    def claim(self, key: str) -> None:
        message = (key, self.count)
        self.count += 1
        outcome = self.duplicates.claim(key, message)
        if isinstance(outcome, str):
            assert outcome == key.upper()
            return
        self.in_flight.add(message)
        if outcome is Claim.LEADS:
            self.leading.append(message)

    @rule(data=st.data(), fails=st.booleans())
    def end(self, data: st.DataObject, fails: bool) -> None:
        if not self.leading:
            return
        leader = self.leading.pop(data.draw(st.integers(0, len(self.leading) - 1)))
        followers = self.duplicates.failed(leader[0]) if fails else self.duplicates.scored(leader[0], leader[0].upper())
        for message in (leader, *followers):
            assert message[0] == leader[0]
            self.in_flight.remove(message)

    @rule(parity=st.integers(0, 1))
    def revoke(self, parity: int) -> None:
        discarded = self.duplicates.discard(lambda message: message[1] % 2 == parity)
        for message in discarded.removed:
            assert message[1] % 2 == parity
            self.in_flight.remove(message)
            if message in self.leading:
                self.leading.remove(message)
        self.leading += discarded.promoted

    @invariant()
    def memory_is_bounded_and_nothing_waits_without_a_leader(self) -> None:
        if not hasattr(self, "duplicates"):
            return
        assert len(self.duplicates) <= self.capacity
        assert {key for key, _ in self.in_flight} == {key for key, _ in self.leading}


TestDuplicatesMachine = DuplicatesMachine.TestCase
