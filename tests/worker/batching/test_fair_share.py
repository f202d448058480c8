"""Weighted virtual time: nobody saves up while idle, and nothing taken from an idle device is held against anyone."""

from worker.batching.fair_share import FairShare


def test_the_least_given_is_the_lowest_clock_of_those_that_wait():
    share = FairShare()
    share.enter("a")
    share.enter("b")
    share.charge("a", 0.3)
    assert share.least == 0.0
    share.charge("b", 0.5)
    assert share.least == 0.3
    assert share.lag("b") == 0.2
    assert share.lag("a") == 0.0


def test_who_comes_back_from_idling_starts_where_the_least_given_is():
    share = FairShare()
    share.enter("busy")
    share.charge("busy", 10.0)
    share.enter("back")
    assert (share.least, share.lag("back")) == (10.0, 0.0)


def test_who_took_more_than_the_others_still_has_once_it_comes_back():
    share = FairShare()
    share.enter("a")
    share.enter("b")
    share.charge("a", 5.0)
    share.leave("a")
    share.enter("a")
    assert share.lag("a") == 5.0


def test_when_nobody_waits_all_start_again():
    share = FairShare()
    share.enter("a")
    share.charge("a", 5.0)
    share.leave("a")
    share.enter("b")
    share.enter("a")
    assert share.least == share.lag("a") == share.lag("b") == 0.0


def test_nobody_waiting_means_nothing_given():
    share = FairShare()
    assert share.least == 0.0
    assert share.lag("unknown") == 0.0
