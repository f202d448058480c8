"""Both trainers learn from the same batches."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks.engines.models import write_checkpoint
from benchmarks.engines.training import batches_of, packed_engine, padded_engine
from benchmarks.engines.workload import Workload
from model.configuration import CONFIG_FILE


@pytest.mark.parametrize("family", ["bert", "biencoder"])
def test_both_trainers_see_the_same_losses(family: str, tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, family)
    config = json.loads((folder / CONFIG_FILE).read_text())
    for name in ("encoder_config", "label_model_config"):
        if config.get(name):
            config[name] |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / CONFIG_FILE).write_text(json.dumps(config | {"dropout": 0.0}))
    batches = batches_of(Workload.draw(4, (3,)), 2)
    packed = packed_engine(folder, batches, dtype=torch.float32)
    padded = padded_engine(folder, batches, dtype=torch.float32)
    for _ in range(2):
        assert packed() == pytest.approx(padded(), rel=1e-3)


def test_grouped_batches_hold_the_same_texts_by_length() -> None:
    workload = Workload.draw(6, (3,))
    arrived, grouped = (batches_of(workload, 2, by_length=flag) for flag in (False, True))
    texts = [[one.text for batch in batches for one in batch] for batches in (arrived, grouped)]
    assert texts[0] == list(workload.texts)
    assert texts[1] == sorted(workload.texts, key=len)
    assert all(one.true_labels == (one.labels[0],) for batch in arrived for one in batch)
