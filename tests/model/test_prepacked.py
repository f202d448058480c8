import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from transformers import (
    BertConfig,
    DebertaV2Config,
    ElectraConfig,
    ModernBertConfig,
    PreTrainedConfig,
    RobertaConfig,
    T5Config,
)
from transformers.activations import ACT2FN

from model.encoders import build_encoder
from model.packing import PackedBatch
from model.prepacked import FUSED_ACTIVATIONS, PrepackedLinear, can_prepack, prepack

CPU = torch.device("cpu")
SIZES = {"vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
T5_SIZES = {"vocab_size": 50, "d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2}
CONFIGS: dict[str, PreTrainedConfig] = {
    "bert": BertConfig.from_dict(SIZES),
    "bert with another activation": BertConfig.from_dict(SIZES | {"hidden_act": "silu"}),
    "electra": ElectraConfig.from_dict(SIZES | {"embedding_size": 16}),
    "roberta": RobertaConfig.from_dict(SIZES),
    "deberta": DebertaV2Config.from_dict(
        SIZES
        | {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_buckets": 8, "share_att_key": True}
    ),
    "modernbert": ModernBertConfig.from_dict(SIZES | {"pad_token_id": 0}),
    "t5": T5Config.from_dict(T5_SIZES),
    "gated t5": T5Config.from_dict(T5_SIZES | {"feed_forward_proj": "gated-gelu"}),
}
sequences = st.lists(st.lists(st.integers(2, 49), min_size=1, max_size=12), min_size=1, max_size=5)


@settings(max_examples=15)
@given(st.sampled_from(sorted(CONFIGS)), sequences, st.booleans())
def test_a_prepacked_encoder_computes_what_the_plain_one_does(family: str, ids: list[list[int]], trimmed: bool) -> None:
    torch.manual_seed(0)
    plain = build_encoder(CONFIGS[family]).eval().requires_grad_(False)
    packed = copy.deepcopy(plain)
    with torch.inference_mode():
        prepack(packed)
        batch = PackedBatch.pack(ids)
        rows = torch.tensor(batch.cumulative_lengths[:-1]) if trimmed else None
        torch.testing.assert_close(packed(batch, rows=rows), plain(batch, rows=rows), rtol=1e-4, atol=1e-5)
    assert not [part for part in packed.modules() if type(part) is nn.Linear]


@pytest.mark.parametrize("activation", sorted(FUSED_ACTIVATIONS))
def test_a_fused_activation_is_the_one_of_transformers(activation: str) -> None:
    torch.manual_seed(0)
    linear = nn.Linear(8, 16).requires_grad_(False)
    states = 3 * torch.randn(5, 8)
    expected = ACT2FN[activation](linear(states))
    torch.testing.assert_close(PrepackedLinear(linear, activation=activation)(states), expected, rtol=1e-5, atol=1e-5)


def test_several_layers_stand_side_by_side_and_a_residual_is_added() -> None:
    torch.manual_seed(0)
    first, second = (nn.Linear(8, width, bias=False).requires_grad_(False) for width in (4, 12))
    states = torch.randn(3, 8)
    together = PrepackedLinear(first, second)
    torch.testing.assert_close(together(states), torch.cat([first(states), second(states)], dim=-1))
    residual = torch.randn(3, 16)
    torch.testing.assert_close(together.plus(states, residual), together(states) + residual)


def test_prepacking_is_for_the_cpu_and_its_formats() -> None:
    assert can_prepack(CPU, torch.float32) == torch.backends.mkldnn.is_available()
    assert not can_prepack(torch.device("cuda"), torch.float32)
    assert not can_prepack(CPU, torch.float64)
