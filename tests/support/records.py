"""Consumer records as aiokafka gives them."""

from typing import Any, cast

from aiokafka import ConsumerRecord


def consumer_record(
    value: bytes | None = b'{"text": "hello", "tenant": "shop"}',
    *,
    key: bytes | None = b"key",
    headers: tuple[tuple[str, bytes | None], ...] = (),
    offset: int = 0,
    timestamp_ms: int = -1,
) -> "ConsumerRecord[bytes | None, bytes | None]":
    return ConsumerRecord[Any, Any](
        topic="in",
        partition=0,
        offset=offset,
        timestamp=timestamp_ms,
        timestamp_type=0,
        key=key,
        value=value,
        checksum=None,
        serialized_key_size=len(key or b""),
        serialized_value_size=len(value or b""),
        headers=cast(Any, headers),
    )
