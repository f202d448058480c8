"""Header names that no Python client would write."""


class RawName(str):
    """A name that aiokafka's producer, in its pure Python form, encodes as these bytes."""

    raw: bytes

    def __new__(cls, raw: bytes) -> "RawName":
        name = super().__new__(cls, raw.decode("latin-1"))
        name.raw = raw
        return name

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return self.raw
