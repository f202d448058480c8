"""How large a record each topic takes."""

from collections.abc import Collection, Mapping

BROKER_DEFAULT_MAX_MESSAGE_BYTES = 1_048_588


class RecordLimits:
    """`max.message.bytes` of the topics written to, as far as the brokers have said; it grows with the policies."""

    def __init__(self, limits: Mapping[str, int] | None = None) -> None:
        self._limits = dict(limits or {})

    def learn(self, limits: Mapping[str, int]) -> None:
        """What the brokers say now of some topics."""
        self._limits.update(limits)

    def of(self, topic: str) -> int:
        """The largest record, in bytes; the brokers' default for a topic that was not asked about."""
        return self._limits.get(topic, BROKER_DEFAULT_MAX_MESSAGE_BYTES)

    def all(self) -> Collection[int]:
        """The limit of every topic known."""
        return self._limits.values()
