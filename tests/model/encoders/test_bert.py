from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    AutoModel,
    BertConfig,
    CamembertConfig,
    ElectraConfig,
    GPT2Config,
    PreTrainedConfig,
    RobertaConfig,
    XLMRobertaConfig,
)

from model.encoders import build_encoder, position_limit
from model.encoders.bert import PackedBert
from model.errors import CheckpointError
from model.packing import PackedBatch

SIZES: dict[str, Any] = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 40,
}
CONFIGS = {
    "bert": BertConfig(**SIZES),
    "electra": ElectraConfig(**SIZES, embedding_size=8),
    "roberta": RobertaConfig(**SIZES),
    "xlm-roberta": XLMRobertaConfig(**SIZES),
    "camembert": CamembertConfig(**SIZES),
}


def stock_and_packed(config: PreTrainedConfig) -> tuple[torch.nn.Module, PackedBert]:
    torch.manual_seed(0)
    stock = AutoModel.from_config(config).eval()
    packed = build_encoder(config).eval()
    packed.load_state_dict(stock.state_dict())
    assert isinstance(packed, PackedBert)
    return stock, packed


# Id 1 is RoBERTa's padding: its stock model counts no position for it.
sequences = st.lists(st.lists(st.integers(2, 49), min_size=1, max_size=12), min_size=1, max_size=5)


@settings(max_examples=10)
@given(st.sampled_from(sorted(CONFIGS)), sequences)
def test_every_bert_like_family_equals_its_stock_model_run_alone(family: str, sequences: list[list[int]]) -> None:
    stock, packed = stock_and_packed(CONFIGS[family])
    with torch.no_grad():
        actual = packed(PackedBatch.pack(sequences))
        expected = torch.cat([stock(input_ids=torch.tensor([ids])).last_hidden_state[0] for ids in sequences])
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)


@settings(max_examples=10)
@given(sequences, st.data())
def test_only_the_asked_rows_leave_the_last_layer(sequences: list[list[int]], data: st.DataObject) -> None:
    _, packed = stock_and_packed(CONFIGS["bert"])
    batch = PackedBatch.pack(sequences)
    rows = torch.tensor(sorted(data.draw(st.sets(st.integers(0, batch.token_count - 1), min_size=1))))
    with torch.no_grad():
        whole, part = packed(batch), packed(batch, rows=rows)
    torch.testing.assert_close(part, whole[rows], rtol=1e-5, atol=1e-5)


def test_word_embeddings_can_be_given_and_token_types_are_read() -> None:
    stock, packed = stock_and_packed(CONFIGS["bert"])
    ids = torch.tensor([[4, 5, 6, 7]])
    types = torch.tensor([[0, 0, 1, 1]])
    batch = PackedBatch.pack(ids.tolist())
    with torch.no_grad():
        embeds = packed.get_input_embeddings()(batch.input_ids) + 0.5
        actual = packed(batch, inputs_embeds=embeds, token_type_ids=types[0])
        expected = stock(inputs_embeds=embeds[None], token_type_ids=types).last_hidden_state[0]
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)


def test_gradients_reach_every_weight_that_the_output_depends_on() -> None:
    _, packed = stock_and_packed(CONFIGS["bert"])
    packed(PackedBatch.pack([[4, 5, 6], [7, 8]]), rows=torch.tensor([0, 3])).square().sum().backward()
    untouched = [name for name, weight in packed.named_parameters() if weight.grad is None]
    assert untouched == ["pooler.dense.weight", "pooler.dense.bias"]


def test_a_causal_bert_is_refused() -> None:
    with pytest.raises(CheckpointError, match="is_decoder"):
        PackedBert(BertConfig(**SIZES, is_decoder=True))


@pytest.mark.parametrize(("family", "limit"), [("bert", 40), ("electra", 40), ("roberta", 38), ("xlm-roberta", 38)])
def test_the_position_table_limits_a_sequence(family: str, limit: int) -> None:
    config = CONFIGS[family]
    assert position_limit(config) == limit
    _, packed = stock_and_packed(config)
    with torch.no_grad():
        packed(PackedBatch.pack([[3] * limit]))
        with pytest.raises(IndexError):
            packed(PackedBatch.pack([[3] * (limit + 1)]))


def test_an_unknown_family_is_refused_by_name() -> None:
    config = GPT2Config()
    with pytest.raises(CheckpointError, match="'gpt2' cannot be run; supported: bert"):
        build_encoder(config)
