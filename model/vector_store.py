"""Label vectors on disk, by the content of what was encoded: a restart, and the next process, compute none again."""

import hashlib
import logging
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from model.prompt import Prompt

logger = logging.getLogger(__name__)

MOST_BYTES = 2 * 2**30
KEYS_PER_QUERY = 500
BUSY_SECONDS = 5.0
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS vectors "
    "(key BLOB PRIMARY KEY, dtype TEXT NOT NULL, columns INTEGER NOT NULL, content BLOB NOT NULL)"
)

DTYPES = {str(dtype).removeprefix("torch."): dtype for dtype in (torch.float32, torch.bfloat16, torch.float16)}


class VectorStore:
    """One SQLite file for one model in one precision; processes share it.

    What cannot be read or written costs a computation and a warning, never more: a broken file is made anew. Beyond
    `most_bytes` the oldest entries go.
    """

    def __init__(self, file: Path, most_bytes: int = MOST_BYTES) -> None:
        self._file = file
        self._most_bytes = most_bytes
        self._connection = self._opened()

    def find(self, keys: Sequence[bytes]) -> dict[bytes, Tensor]:
        """[rows, E] on the CPU, of those keys that are known."""
        found: dict[bytes, Tensor] = {}
        if self._connection is None:
            return found
        try:
            for start in range(0, len(keys), KEYS_PER_QUERY):
                asked = keys[start : start + KEYS_PER_QUERY]
                places = ",".join("?" * len(asked))
                query = f"SELECT key, dtype, columns, content FROM vectors WHERE key IN ({places})"
                for key, dtype, columns, content in self._connection.execute(query, asked):
                    # A copy: bytes cannot be written, and torch would warn of a tensor on them.
                    flat = torch.frombuffer(bytearray(content), dtype=DTYPES[dtype])
                    found[key] = flat.reshape(-1, columns)
        except (sqlite3.Error, ValueError, RuntimeError, KeyError) as error:
            self._give_up(error)
        return found

    def keep(self, vectors: Mapping[bytes, Tensor]) -> None:
        """Write [rows, E] by key, all or none."""
        if self._connection is None or not vectors:
            return
        rows = [
            (key, str(tensor.dtype).removeprefix("torch."), tensor.shape[1], _bytes(tensor))
            for key, tensor in vectors.items()
        ]
        try:
            with self._connection:
                self._connection.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?, ?, ?)", rows)
                self._drop_oldest()
        except sqlite3.Error as error:
            self._give_up(error)

    def close(self) -> None:
        """Keep and find nothing from now on."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _drop_oldest(self) -> None:
        assert self._connection is not None
        (used,) = self._connection.execute(
            "SELECT (page_count - freelist_count) * page_size "
            "FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size()"
        ).fetchone()
        if used > self._most_bytes:
            self._connection.execute(
                "DELETE FROM vectors WHERE rowid IN "
                "(SELECT rowid FROM vectors ORDER BY rowid LIMIT (SELECT 1 + count(*) / 4 FROM vectors))"
            )

    def _opened(self) -> sqlite3.Connection | None:
        try:
            return self._connected()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):  # locked, not writable, no space: not a broken file
                return self._refused(error)
            logger.warning("%s is broken and made anew: %s", self._file, error)
        except OSError as error:
            return self._refused(error)
        try:
            for suffix in ("", "-wal", "-shm"):
                self._file.with_name(self._file.name + suffix).unlink(missing_ok=True)
            return self._connected()
        except (sqlite3.Error, OSError) as error:
            return self._refused(error)

    def _connected(self) -> sqlite3.Connection:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        # Used by one thread at a time, which need not be the one that opens it.
        connection = sqlite3.connect(self._file, timeout=BUSY_SECONDS, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(SCHEMA)
            connection.execute("SELECT key, dtype, columns, content FROM vectors LIMIT 1").fetchone()
        except BaseException:
            connection.close()
            raise
        return connection

    def _refused(self, error: Exception) -> None:
        logger.warning("label vectors are not kept on disk: %s: %s", self._file, error)

    def _give_up(self, error: Exception) -> None:
        self._refused(error)
        with suppress(sqlite3.Error):
            self.close()
        self._connection = None


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().contiguous().cpu().view(torch.uint8).numpy().tobytes()


def content_key(prompt: Prompt) -> bytes:
    """Hash of the sequences that a prompt's label side is made of."""
    return _digest(sequence.tobytes() for sequence in prompt.labels)


def _digest(parts: Iterable[bytes]) -> bytes:
    hashed = hashlib.blake2b(digest_size=16)
    for part in parts:
        hashed.update(len(part).to_bytes(8, "little"))
        hashed.update(part)
    return hashed.digest()
