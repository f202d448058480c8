"""The label tower: a frozen BERT with LoRA, and a linear head into the space of the untouched text vectors.

logit = s * cos(text / R + t, W label / R + b). At the start W is the identity and t, b only centre the two clouds and
set them apart by a shared offset, so that unrelated pairs score below zero; the tower then learns from there.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import cast

import torch
from peft import LoraConfig, inject_adapter_in_model
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import BertModel
from transformers.models.bert.modeling_bert import BertLayer, BertSelfAttention

from model.packing import PackedBatch, QueryRows, packed_attention, unpack
from model.starter.space import Space
from model.training.starter.text_vectors import token_ids

LORA_RANK = 16
LORA_SCALE = 2.0
LORA_TARGETS = ("query", "value", "attention.output.dense", "intermediate.dense", "output.dense")
MAX_LABEL_TOKENS = 48
TRAINED_BLOCKS = 12
STRINGS_PER_BATCH = 256


def unit_texts(space: Space, vectors: Tensor) -> Tensor:
    """Unit text vectors from raw ones, [..., H]."""
    return F.normalize(vectors / space.norm + space.text_shift, dim=-1)


class LabelTower(nn.Module):
    """Label strings to unit vectors; only the LoRA factors of the upper blocks, the head and the scale are trainable.

    The lower blocks never change, so what they make of a string is computed once.
    """

    def __init__(self, bert: BertModel, tokenizer: Tokenizer, space: Space) -> None:
        super().__init__()
        bert.requires_grad_(False)
        blocks = bert.config.num_hidden_layers
        self.first_trained = blocks - min(TRAINED_BLOCKS, blocks)
        config = LoraConfig(
            r=LORA_RANK,
            lora_alpha=int(LORA_RANK * LORA_SCALE),
            lora_dropout=0.0,
            target_modules=list(LORA_TARGETS),
            layers_to_transform=list(range(self.first_trained, blocks)),
        )
        inject_adapter_in_model(config, bert)
        self.bert = bert.eval()
        self.tokenizer = tokenizer
        self.space = space
        self._lower_states: dict[str, Tensor] = {}
        width = bert.config.hidden_size
        self.head = nn.Linear(width, width)
        with torch.no_grad():
            self.head.weight.copy_(torch.eye(width))
            self.head.bias.copy_(space.label_shift)
        self.log_scale = nn.Parameter(torch.tensor(space.scale).log())

    def raw(self, strings: Sequence[str]) -> Tensor:
        """First hidden state of each string, float32 [strings, H]."""
        states = self._lower(strings)
        order = sorted(range(len(states)), key=lambda index: len(states[index]))
        lengths = tuple(accumulate((len(states[index]) for index in order), initial=0))
        hidden = torch.cat([states[index] for index in order])
        blocks = list(self.bert.encoder.layer.children())[self.first_trained :]
        with torch.autocast("cpu", torch.bfloat16):
            for block in blocks[:-1]:
                hidden = _run_block(block, hidden, lengths)
            first = _run_block(blocks[-1], hidden, lengths, QueryRows.of(torch.tensor(lengths[:-1]), lengths))
        return first.float()[torch.tensor(order).argsort()]

    def _lower(self, strings: Sequence[str]) -> list[Tensor]:
        """What the frozen blocks make of each string, bf16 [tokens, H]."""
        missing = [string for string in dict.fromkeys(strings) if string not in self._lower_states]
        for at in range(0, len(missing), STRINGS_PER_BATCH):
            chunk = missing[at : at + STRINGS_PER_BATCH]
            ids = token_ids(self.tokenizer, chunk, MAX_LABEL_TOKENS)
            order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
            batch = PackedBatch.pack([ids[index] for index in order])
            with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
                hidden = self.bert.embeddings(input_ids=batch.input_ids[None], position_ids=batch.position_ids[None])[0]
                for block in list(self.bert.encoder.layer.children())[: self.first_trained]:
                    hidden = _run_block(block, hidden, batch.cumulative_lengths)
            for index, states in zip(order, unpack(hidden, batch.cumulative_lengths), strict=True):
                self._lower_states[chunk[index]] = states.bfloat16().clone()
        return [self._lower_states[string] for string in strings]

    def forward(self, strings: Sequence[str]) -> Tensor:
        """Unit label vectors, float32 [strings, H]."""
        return F.normalize(self.head(self.raw(strings) / self.space.norm), dim=-1)

    def logits(self, texts: Tensor, labels: Tensor) -> Tensor:
        """[texts, labels] from unit vectors of both."""
        return self.log_scale.exp() * texts @ labels.T

    def trained_state(self) -> dict[str, Tensor]:
        """The trainable tensors by name, detached copies."""
        return {name: value.detach().clone() for name, value in self.named_parameters() if value.requires_grad}

    def load_trained_state(self, state: dict[str, Tensor]) -> None:
        """Set the trainable tensors; every one must be there."""
        parameters = {name: value for name, value in self.named_parameters() if value.requires_grad}
        if parameters.keys() != state.keys():
            raise ValueError(f"not this tower's tensors: {sorted(parameters.keys() ^ state.keys())[:4]}")
        with torch.no_grad():
            for name, value in parameters.items():
                value.copy_(state[name])

    def interpolate(self, share: float) -> None:
        """Move back towards the start: LoRA and head keep `share` of their change (WiSE-FT)."""
        with torch.no_grad():
            for name, value in self.named_parameters():
                if "lora_B" in name:
                    value.mul_(share)
            start = torch.eye(self.head.weight.shape[0])
            self.head.weight.copy_(start + share * (self.head.weight - start))
            self.head.bias.copy_(self.space.label_shift + share * (self.head.bias - self.space.label_shift))


def _run_block(
    block: nn.Module, hidden: Tensor, cumulative_lengths: tuple[int, ...], rows: QueryRows | None = None
) -> Tensor:
    """One BERT block on packed states [T, H]; with `rows` only these come out."""
    layer = cast(BertLayer, block)
    attention = cast(BertSelfAttention, layer.attention.self)
    heads = (attention.num_attention_heads, attention.attention_head_size)
    asking = hidden if rows is None else hidden[rows.indices]
    attended = packed_attention(
        attention.query(asking).unflatten(-1, heads),
        attention.key(hidden).unflatten(-1, heads),
        attention.value(hidden).unflatten(-1, heads),
        cumulative_lengths,
        rows=rows,
    )
    return layer.feed_forward_chunk(layer.attention.output(attended.flatten(1), asking))
