from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from model.errors import ModelError
from model.starter.space import CENTRING, OFFSET, Space


def clouds() -> tuple[torch.Tensor, torch.Tensor]:
    """Texts and words around two middles; the last direction varies in neither."""
    generator = torch.Generator().manual_seed(0)
    texts, words = torch.randn(2, 200, 6, generator=generator)
    texts[:, 0] += 8
    words[:, 1] += 8
    texts[:, 5] *= 0.01
    words[:, 5] *= 0.01
    return texts, words


def test_the_label_free_start_moves_both_clouds_to_their_middle_and_apart() -> None:
    texts, words = clouds()
    space = Space.label_free(texts, words)
    norm = float(torch.cat([texts, words]).norm(dim=1).mean())
    assert space.norm == pytest.approx(norm)
    shifted_texts = (texts / norm + space.text_shift).mean(0)
    shifted_words = (words / norm + space.label_shift).mean(0)
    apart = shifted_texts - shifted_words
    assert float(apart[5].abs()) == pytest.approx(2 * OFFSET, abs=0.02)
    expected = (1 - CENTRING) * (texts.mean(0) / norm)
    torch.testing.assert_close(shifted_texts[:5], expected[:5], atol=0.02, rtol=0)
    assert float(F.cosine_similarity(shifted_texts, shifted_words, dim=0)) < 0


def test_a_written_space_reads_back(tmp_path: Path) -> None:
    texts, words = clouds()
    plain = Space.label_free(texts, words)
    plain.write(tmp_path / "plain.safetensors")
    again = Space.read(tmp_path / "plain.safetensors")
    assert torch.equal(again.label_weight, torch.eye(6))
    assert torch.equal(again.text_shift, plain.text_shift)
    up, down = torch.ones(6, 2), torch.full((2, 6), 0.5)
    weight = torch.eye(6) + 0.25
    trained = Space(plain.norm, plain.text_shift, weight, plain.label_shift, 17.0, {"layer.weight": (up, down)})
    trained.write(tmp_path / "trained.safetensors")
    again = Space.read(tmp_path / "trained.safetensors")
    assert again.scale == 17.0
    assert torch.equal(again.label_weight, weight)
    torch.testing.assert_close(again.tower_changes["layer.weight"], (up, down))


def test_low_rank_changes_are_added_to_the_label_tower_only_where_named() -> None:
    up, down = torch.ones(6, 1), torch.full((1, 6), 0.5)
    space = Space(1.0, torch.zeros(6), torch.eye(6), torch.zeros(6), 1.0, {"a.weight": (up, down)})
    weights = {"a.weight": torch.eye(6), "b.weight": torch.eye(6)}
    changed = space.changed_tower(weights)
    assert torch.equal(changed["a.weight"], torch.eye(6) + 0.5)
    assert torch.equal(changed["b.weight"], torch.eye(6))
    assert torch.equal(weights["a.weight"], torch.eye(6))


def test_a_file_that_lacks_a_tensor_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "space.safetensors"
    Space.label_free(*clouds()).write(path)
    tensors = load_file(path)
    del tensors["norm"]
    save_file(tensors, path)
    with pytest.raises(ModelError, match="no tensor named 'norm'"):
        Space.read(path)
