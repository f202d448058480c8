import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from model.prompt import Prompt
from model.vector_store import VectorStore, content_key


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "vectors" / "model-float32-cpu.sqlite"


def of(number: int, rows: int = 2, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.full((rows, 3), float(number), dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_vectors_come_back_bit_by_bit_in_another_process(file: Path, dtype: torch.dtype) -> None:
    vectors = torch.randn(5, 7).to(dtype)
    VectorStore(file).keep({b"a": vectors, b"b": vectors[:1]})
    found = VectorStore(file).find([b"a", b"b", b"c"])
    assert found.keys() == {b"a", b"b"}
    assert found[b"a"].dtype == dtype
    assert torch.equal(found[b"a"], vectors)
    assert found[b"b"].shape == (1, 7)


def test_many_are_found_at_once(file: Path) -> None:
    store = VectorStore(file)
    store.keep({str(number).encode(): of(number) for number in range(1800)})
    found = store.find([str(number).encode() for number in range(0, 4000, 2)])
    assert len(found) == 900
    assert found[b"42"][0, 0] == 42


def test_two_processes_write_the_same_file(file: Path) -> None:
    first, second = VectorStore(file), VectorStore(file)
    first.keep({b"a": of(1)})
    second.keep({b"a": of(1), b"b": of(2)})
    assert first.find([b"a", b"b"]).keys() == {b"a", b"b"}


def test_beyond_its_size_the_oldest_go(file: Path) -> None:
    store = VectorStore(file, most_bytes=200_000)
    for number in range(60):
        store.keep({f"{number}".encode(): torch.zeros(20, 100)})
    found = store.find([f"{number}".encode() for number in range(60)])
    assert b"59" in found
    assert b"0" not in found
    assert 4 < len(found) < 40


@pytest.mark.parametrize("content", [b"not a database at all" * 200, b"SQLite format 3\x00" + b"\xff" * 4000])
def test_a_broken_file_is_made_anew(file: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        store = VectorStore(file)
    assert "is broken and made anew" in caplog.text
    store.keep({b"a": of(1)})
    assert VectorStore(file).find([b"a"]).keys() == {b"a"}


def test_a_file_of_another_form_is_made_anew_or_left_out_and_never_an_error(file: Path) -> None:
    store = VectorStore(file)
    store.keep({b"a": of(1)})
    assert store._connection is not None
    store._connection.execute("UPDATE vectors SET dtype = 'int4'")
    store._connection.commit()
    assert VectorStore(file).find([b"a"]) == {}


def test_a_place_that_cannot_be_written_costs_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING):
        store = VectorStore(tmp_path / "file" / "vectors.sqlite")
    assert "label vectors are not kept on disk" in caplog.text
    store.keep({b"a": of(1)})
    assert store.find([b"a"]) == {}


def test_a_closed_store_knows_nothing(file: Path) -> None:
    store = VectorStore(file)
    store.keep({b"a": of(1)})
    store.close()
    store.keep({b"b": of(1)})
    assert store.find([b"a"]) == {}


def test_the_key_follows_the_sequences_and_their_borders() -> None:
    def prompt(*sequences: list[int]) -> Prompt:
        return Prompt(len(sequences), "", labels=tuple(np.asarray(one, dtype=np.int64) for one in sequences))

    assert content_key(prompt([1, 2], [3])) == content_key(prompt([1, 2], [3]))
    assert content_key(prompt([1, 2], [3])) != content_key(prompt([1], [2, 3]))
    assert content_key(prompt([1, 2], [3])) != content_key(prompt([3], [1, 2]))
