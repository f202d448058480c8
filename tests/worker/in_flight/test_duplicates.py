from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from worker.in_flight.duplicates import Duplicates, Known, New, Waits


def test_a_message_equal_to_one_being_scored_waits_and_gets_its_score():
    duplicates: Duplicates[str, float] = Duplicates(10)
    assert duplicates.meet("key", "first") == New()
    assert duplicates.meet("key", "second") == Waits()
    assert duplicates.meet("other", "third") == New()
    assert duplicates.scored("key", 0.5) == ["second"]
    assert duplicates.meet("key", "fourth") == Known(0.5)


def test_a_message_that_is_not_scored_leaves_those_that_waited_to_be_scored_themselves():
    duplicates: Duplicates[str, float] = Duplicates(10)
    duplicates.meet("key", "first")
    duplicates.meet("key", "second")
    assert duplicates.forget("key") == ["second"]
    assert duplicates.meet("key", "second") == New()


def test_the_score_that_was_used_longest_ago_is_dropped_first():
    duplicates: Duplicates[str, int] = Duplicates(2)
    for number, key in enumerate("ab"):
        duplicates.meet(key, key)
        duplicates.scored(key, number)
    assert duplicates.meet("a", "a") == Known(0)
    duplicates.meet("c", "c")
    duplicates.scored("c", 2)
    assert duplicates.meet("b", "b") == New()
    assert duplicates.meet("a", "a") == Known(0)


def test_switched_off_every_message_is_new():
    duplicates: Duplicates[str, int] = Duplicates(0)
    assert duplicates.meet("key", "first") == New()
    assert duplicates.meet("key", "second") == New()
    assert duplicates.scored("key", 1) == []
    assert len(duplicates) == 0


class EveryMessageGetsItsScore(RuleBasedStateMachine):
    """Whatever is met, scored and forgotten: each message is scored, waits for one that is, or is handed back."""

    def __init__(self) -> None:
        super().__init__()
        self.duplicates: Duplicates[int, str] = Duplicates(3)
        self.scoring: dict[str, int] = {}
        self.waiting: dict[str, list[int]] = {}
        self.next_message = 0

    @rule(key=st.sampled_from("abcdef"))
    def meet(self, key: str) -> None:
        message, self.next_message = self.next_message, self.next_message + 1
        met = self.duplicates.meet(key, message)
        if isinstance(met, Known):
            assert met.scored == key
            assert key not in self.scoring
        elif isinstance(met, Waits):
            assert key in self.scoring
            self.waiting[key].append(message)
        else:
            assert key not in self.scoring
            self.scoring[key], self.waiting[key] = message, []

    @precondition(lambda self: self.scoring)
    @rule(data=st.data(), succeeds=st.booleans())
    def finish(self, data: st.DataObject, succeeds: bool) -> None:
        key = data.draw(st.sampled_from(sorted(self.scoring)))
        del self.scoring[key]
        released = self.duplicates.scored(key, key) if succeeds else self.duplicates.forget(key)
        assert released == self.waiting.pop(key)

    @invariant()
    def memory_is_bounded(self) -> None:
        assert len(self.duplicates) <= 3


TestEveryMessageGetsItsScore = EveryMessageGetsItsScore.TestCase
TestEveryMessageGetsItsScore.settings = settings(max_examples=50)
