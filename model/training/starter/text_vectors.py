"""Text vectors of the untouched tower, computed once and kept on disk."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor
from transformers import BertModel

from model.packing import PackedBatch

TEXTS_PER_BATCH = 64


def encode_texts(bert: BertModel, tokenizer: Tokenizer, texts: Sequence[str], *, max_tokens: int) -> Tensor:
    """The tower's first hidden state of each text, float32 [texts, H]."""
    ids = token_ids(tokenizer, texts, max_tokens)
    order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
    vectors = torch.empty(len(ids), bert.config.hidden_size)
    with torch.inference_mode():
        for start in range(0, len(order), TEXTS_PER_BATCH):
            chosen = order[start : start + TEXTS_PER_BATCH]
            vectors[chosen] = first_states(bert, [ids[index] for index in chosen])
    return vectors


def token_ids(tokenizer: Tokenizer, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
    """Ids of each text, cut to the window with its last (separator) token kept."""
    ids = [encoding.ids for encoding in tokenizer.encode_batch(list(texts), add_special_tokens=True)]
    return [one if len(one) <= max_tokens else [*one[: max_tokens - 1], one[-1]] for one in ids]


def first_states(bert: BertModel, ids: Sequence[Sequence[int]]) -> Tensor:
    """First hidden state of each id sequence, float32 [sequences, H]; bf16 inside, differentiable.

    `bert` must have been built with `attn_implementation=ATTENTION_NAME`.
    """
    order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
    batch = PackedBatch.pack([ids[index] for index in order])
    with torch.autocast("cpu", torch.bfloat16):
        hidden = bert(
            input_ids=batch.input_ids[None],
            position_ids=batch.position_ids[None],
            cumulative_lengths=batch.cumulative_lengths,
        ).last_hidden_state[0]
    return hidden[list(batch.cumulative_lengths[:-1])].float()[torch.tensor(order).argsort()]


def cached_text_vectors(
    cache: Path, tower: BertModel, tokenizer: Tokenizer, name: str, texts: Sequence[str], *, max_tokens: int
) -> Tensor:
    """`encode_texts`, kept in `cache` under the name and a hash of the texts and the window."""
    digest = hashlib.sha256(f"{max_tokens}\0".encode() + "\0".join(texts).encode()).hexdigest()[:16]
    path = cache / f"{name}-{digest}.safetensors"
    if not path.is_file():
        vectors = encode_texts(tower, tokenizer, texts, max_tokens=max_tokens)
        cache.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        save_file({"vectors": vectors.half()}, partial)
        partial.replace(path)
    return load_file(path)["vectors"].float()
