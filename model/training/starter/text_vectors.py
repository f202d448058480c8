"""Text vectors of the untouched tower, computed once and kept on disk."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor
from transformers import BertModel

from model.encoders.bert import PackedBert
from model.packing import PackedBatch
from model.precision import choose_dtype
from model.prepacked import can_prepack, prepack
from model.training.state import save_tensors

TEXTS_PER_BATCH = 64


def encode_texts(bert: BertModel, tokenizer: Tokenizer, texts: Sequence[str], *, max_tokens: int) -> Tensor:
    """The tower's first hidden state of each text, float32 [texts, H]; computed as a served tower computes it."""
    encoder = _for_inference(bert)
    ids = token_ids(tokenizer, texts, max_tokens)
    order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
    vectors = torch.empty(len(ids), bert.config.hidden_size)
    with torch.inference_mode():
        for start in range(0, len(order), TEXTS_PER_BATCH):
            chosen = order[start : start + TEXTS_PER_BATCH]
            batch = PackedBatch.pack([ids[index] for index in chosen])
            vectors[chosen] = encoder(batch, rows=torch.tensor(batch.cumulative_lengths[:-1])).float()
    return vectors


def _for_inference(bert: BertModel) -> PackedBert:
    encoder = PackedBert(bert.config).eval()
    own = encoder.state_dict()
    encoder.load_state_dict(own | {name: value for name, value in bert.state_dict().items() if name in own})
    device = torch.device("cpu")
    dtype = choose_dtype("auto", device)
    encoder.to(dtype)
    if can_prepack(device, dtype):
        prepack(encoder)
    return encoder


def token_ids(tokenizer: Tokenizer, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
    """Ids of each text, cut to the window with its last (separator) token kept."""
    ids = [encoding.ids for encoding in tokenizer.encode_batch(list(texts), add_special_tokens=True)]
    return [one if len(one) <= max_tokens else [*one[: max_tokens - 1], one[-1]] for one in ids]


def cached_text_vectors(
    cache: Path, tower: BertModel, tokenizer: Tokenizer, name: str, texts: Sequence[str], *, max_tokens: int
) -> Tensor:
    """`encode_texts`, kept in `cache` under the name and a hash of the texts and the window."""
    digest = hashlib.sha256(f"{max_tokens}\0".encode() + "\0".join(texts).encode()).hexdigest()[:16]
    path = cache / f"{name}-{digest}.safetensors"
    if not path.is_file():
        vectors = encode_texts(tower, tokenizer, texts, max_tokens=max_tokens)
        save_tensors(path, {"vectors": vectors.half()}, {})
    return load_file(path)["vectors"].float()
