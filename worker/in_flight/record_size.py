"""How large a record is for the broker: pure."""

from schemas.records import Headers
from worker.in_flight.message import Outgoing

BATCH_OVERHEAD_BYTES = 61
RECORD_OVERHEAD_BYTES = (
    32  # length, attributes, timestamp and offset deltas, key and value lengths: varints, at their largest
)
HEADER_OVERHEAD_BYTES = 10


def record_size_bytes(outgoing: Outgoing) -> int:
    """An upper bound of what the record takes as a batch of its own, which `max.message.bytes` limits.

    A record that the broker refuses breaks an idempotent producer for its partition, so the bound must not be too low.
    """
    return (
        BATCH_OVERHEAD_BYTES
        + RECORD_OVERHEAD_BYTES
        + len(outgoing.key or b"")
        + len(outgoing.value or b"")
        + _headers_size_bytes(outgoing.headers)
    )


def _headers_size_bytes(headers: Headers) -> int:
    return sum(HEADER_OVERHEAD_BYTES + len(name.encode()) + len(value or b"") for name, value in headers)
