from worker.in_flight.record_limits import BROKER_DEFAULT_MAX_MESSAGE_BYTES, RecordLimits


def test_a_topic_takes_what_its_broker_said_last_and_the_default_before():
    limits = RecordLimits({"out": 1000})
    assert (limits.of("out"), limits.of("new")) == (1000, BROKER_DEFAULT_MAX_MESSAGE_BYTES)
    limits.learn({"new": 500, "out": 2000})
    assert (limits.of("out"), limits.of("new")) == (2000, 500)
    assert sorted(limits.all()) == [500, 2000]


def test_a_topic_demands_a_key_while_it_is_compacted():
    limits = RecordLimits()
    limits.learn({"out": 1000, "new": 1000}, compacted=["out"])
    assert (limits.demands_key("out"), limits.demands_key("new"), limits.demands_key("unknown")) == (True, False, False)
    limits.learn({"new": 1000}, compacted=["new"])
    assert (limits.demands_key("out"), limits.demands_key("new")) == (True, True)
    limits.learn({"out": 1000})
    assert (limits.demands_key("out"), limits.demands_key("new")) == (False, True)
