"""Every published scorer type by its name, with the published weight names and shapes."""

import pytest
import torch
from gliclass.scorers import SCORER2OBJECT
from transformers import BertConfig

from model.configuration import GliclassConfig
from model.errors import CheckpointError
from model.scorers.table import SCORER_TYPES, build_scorer

SIZE = 8


def configuration(kind: str, pooling: str | None = None) -> GliclassConfig:
    return GliclassConfig(
        encoder_config=BertConfig(hidden_size=SIZE, num_attention_heads=2, vocab_size=10),
        scorer_type=kind,
        scorer_num_heads=2,
        scorer_mlp_hidden_size=12,
        pooling_strategy=pooling or ("pass" if kind == "cross-attn" else "first"),
    )


def test_every_published_type_but_the_decoders_own_is_known():
    assert {*SCORER_TYPES, "decoder-kv"} == set(SCORER2OBJECT)


@pytest.mark.parametrize("kind", SCORER_TYPES)
def test_weights_have_the_published_names_and_shapes(kind: str):
    reference = SCORER2OBJECT[kind](SIZE, num_heads=2, scorer_mlp_hidden_size=12, attn_dropout=0.1)
    ours = build_scorer(configuration(kind))
    expected = {name: weight.shape for name, weight in reference.state_dict().items()}
    assert {name: weight.shape for name, weight in ours.state_dict().items()} == expected


def test_an_architecture_with_one_text_vector_takes_any_pooling_and_no_cross_attention():
    assert isinstance(build_scorer(configuration("mlp", "pass"), pools_text=False), torch.nn.Module)
    with pytest.raises(CheckpointError, match="scorer_type 'cross-attn' reads the tokens of a text"):
        build_scorer(configuration("cross-attn"), pools_text=False)
