"""A real model of a few kilobytes for everything between a record and its result."""

from pathlib import Path

import pytest
from support.tiny_checkpoint import write_tiny_checkpoint

from model.scorer import Scorer


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_checkpoint(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def scorer(tiny_checkpoint: Path) -> Scorer:
    return Scorer.load(tiny_checkpoint, dtype="float32", device="cpu", threads=1)
