"""Dead letters: the record as it was, and why it could not be classified."""

import base64
import time
from collections.abc import Collection

import orjson

from schemas import records
from schemas.records import DeadLetterReason
from worker.content.codec import MAX_ERROR_CHARACTERS, merge_headers
from worker.in_flight.message import Message, Result
from worker.in_flight.outgoing import Outgoing
from worker.in_flight.record import Record
from worker.telemetry.tracing import MessageTrace


class DeadLetters:
    """Makes the dead letter of a record: key, value and headers untouched, the reason in headers beside them."""

    def __init__(self, topic: str, max_record_bytes: int) -> None:
        self._topic = topic
        self._max_record_bytes = max_record_bytes

    def of(
        self,
        record: Record,
        reason: DeadLetterReason,
        error: str,
        trace: MessageTrace,
        *,
        tenant: str | None = None,
        message: Message | None = None,
    ) -> Result:
        """The record ends as a dead letter. `error` must not quote the text."""
        ours = {
            records.HEADER_REASON: reason,
            records.HEADER_ERROR: error[:MAX_ERROR_CHARACTERS],
            records.HEADER_TENANT: tenant,
            records.HEADER_SOURCE_TOPIC: record.topic,
            records.HEADER_SOURCE_PARTITION: str(record.partition),
            records.HEADER_SOURCE_OFFSET: str(record.offset),
            records.HEADER_SOURCE_TIMESTAMP_MS: str(record.timestamp),
            records.HEADER_DEAD_LETTERED_AT_MS: str(int(time.time() * 1000)),
            # Taken out where a producer wrote them: replay would believe that the value is not there.
            records.HEADER_VALUE_NULL: None,
            records.HEADER_VALUE_OMITTED_BYTES: None,
            records.HEADER_REPLACED_HEADERS: None,
        }
        ours[records.HEADER_REPLACED_HEADERS] = _replaced(record, ours)
        value = record.value
        if record.key is None and value is None:
            # This client refuses to send a record without key and value, though one can be read.
            value = b""
            ours[records.HEADER_VALUE_NULL] = "1"
        outgoing = Outgoing(self._topic, record.key, value, merge_headers(record.headers, ours))
        if outgoing.wire_bytes > self._max_record_bytes:
            outgoing = self._smaller(record, ours)
        return Result(
            record,
            [outgoing],
            trace,
            concluded_at=time.monotonic(),
            dead_letter_reason=reason,
            message=message,
            tenant=message.tenant if message is not None else tenant,
        )

    def _smaller(self, record: Record, ours: dict[str, str | None]) -> Outgoing:
        """Without the value; if that is not enough, without the original headers and key too.

        A dead letter that cannot be published would hold its partition for ever.
        """
        ours[records.HEADER_VALUE_OMITTED_BYTES] = str(len(record.value or b""))
        outgoing = Outgoing(self._topic, record.key, b"", merge_headers(record.headers, ours))
        if outgoing.wire_bytes > self._max_record_bytes:
            ours[records.HEADER_REPLACED_HEADERS] = None
            outgoing = Outgoing(self._topic, None, b"", merge_headers((), ours))
        return outgoing


def _replaced(record: Record, names: Collection[str]) -> str | None:
    """The record's headers that lose their place to ours, so that a replay can put them back; None without any."""
    replaced = [
        (index, name, None if value is None else base64.b64encode(value).decode())
        for index, (name, value) in enumerate(record.headers)
        if name in names
    ]
    return orjson.dumps(replaced).decode() if replaced else None
