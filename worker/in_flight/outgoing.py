"""A record to be produced, and how large it is for the broker. Pure."""

from dataclasses import dataclass

from schemas.records import Headers

BATCH_OVERHEAD_BYTES = 61
RECORD_OVERHEAD_BYTES = (
    32  # length, attributes, timestamp and offset deltas, key and value lengths: varints, at their largest
)
HEADER_OVERHEAD_BYTES = 10


@dataclass(slots=True)
class Outgoing:
    """One record to be produced."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    acknowledged: bool = False

    @property
    def wire_bytes(self) -> int:
        """An upper bound of what the record takes as a batch of its own, which `max.message.bytes` limits.

        A record that the broker refuses breaks an idempotent producer for its partition, so the bound must not be too
        low.
        """
        headers = sum(HEADER_OVERHEAD_BYTES + len(name.encode()) + len(value or b"") for name, value in self.headers)
        return BATCH_OVERHEAD_BYTES + RECORD_OVERHEAD_BYTES + len(self.key or b"") + len(self.value or b"") + headers
