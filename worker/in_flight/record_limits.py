"""What each topic takes: how large a record, and whether one without a key."""

from collections.abc import Collection, Mapping

BROKER_DEFAULT_MAX_MESSAGE_BYTES = 1_048_588


class RecordLimits:
    """Of the topics written to, as far as the brokers have said: `max.message.bytes`, and which are compacted.

    It grows with the policies.
    """

    def __init__(self, limits: Mapping[str, int] | None = None) -> None:
        self._limits = dict(limits or {})
        self._compacted: set[str] = set()

    def learn(self, limits: Mapping[str, int], *, compacted: Collection[str] = ()) -> None:
        """What the brokers say now of some topics."""
        self._limits.update(limits)
        self._compacted = (self._compacted - limits.keys()) | set(compacted)

    def of(self, topic: str) -> int:
        """The largest record, in bytes; the brokers' default for a topic that was not asked about."""
        return self._limits.get(topic, BROKER_DEFAULT_MAX_MESSAGE_BYTES)

    def demands_key(self, topic: str) -> bool:
        """Whether its brokers refuse a record without a key, and with it all that are sent along."""
        return topic in self._compacted

    def all(self) -> Collection[int]:
        """The limit of every topic known."""
        return self._limits.values()
