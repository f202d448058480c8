"""Which timestamps a topic takes and keeps."""

import pytest

from worker.replay.topic_times import TopicTimes

HOUR = 3_600_000
NOW = 1_000_000 * HOUR


@pytest.mark.parametrize(
    ("settings", "age_ms", "kept"),
    [
        ({}, 10**9 * HOUR, True),
        ({"retention.ms": "-1"}, NOW, True),
        ({"retention.ms": str(24 * HOUR)}, 22 * HOUR, True),
        ({"retention.ms": str(24 * HOUR)}, 24 * HOUR - 1000, False),
        ({"retention.ms": str(24 * HOUR), "cleanup.policy": "compact"}, 99 * HOUR, True),
        ({"retention.ms": str(24 * HOUR), "cleanup.policy": "compact,delete"}, 99 * HOUR, False),
        ({"retention.ms": str(24 * HOUR), "message.timestamp.type": "LogAppendTime"}, 99 * HOUR, True),
        ({"retention.ms": str(HOUR)}, HOUR // 4, True),
        ({"retention.ms": str(HOUR)}, HOUR, False),
        ({"message.timestamp.before.max.ms": str(HOUR)}, 2 * HOUR, False),
        ({"message.timestamp.before.max.ms": str(2**63 - 1)}, 2 * HOUR, True),
        ({"message.timestamp.after.max.ms": str(HOUR)}, -2 * HOUR, False),
        ({"message.timestamp.after.max.ms": str(HOUR)}, -HOUR // 2, True),
        ({"message.timestamp.difference.max.ms": str(HOUR)}, 2 * HOUR, False),
        ({"message.timestamp.difference.max.ms": str(HOUR)}, -2 * HOUR, False),
    ],
)
def test_a_timestamp_is_kept_where_the_topic_takes_it_and_keeps_it_until_it_is_read(
    settings: dict[str, str | None], age_ms: int, kept: bool
):
    assert TopicTimes.of(settings).keeps(NOW - age_ms, NOW) is kept
