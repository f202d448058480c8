"""`python -m model.starter.fit_label_free FILE`: compute the label-free space anew and write it to FILE."""

import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from model.encoders.bert import PackedBert
from model.packing import PackedBatch
from model.starter.space import Space
from model.starter.texts import GENERIC_TEXTS
from model.starter.towers import Tower, fetch_tower

STRINGS_PER_BATCH = 256
SHORTEST_WORD = 4
WORD_STEP = 8


def label_free_space(tower: Tower) -> Space:
    """The space that generic texts and the words of the tokenizer's vocabulary span."""
    encoder = PackedBert(tower.config).eval()
    encoder.load_state_dict(tower.weights)
    tokenizer = Tokenizer.from_buffer(tower.tokenizer)
    vocabulary = sorted(word for word in tokenizer.get_vocab() if word.isascii() and word.isalpha())
    words = [word for word in vocabulary if len(word) >= SHORTEST_WORD][::WORD_STEP]
    return Space.label_free(_vectors(encoder, tokenizer, GENERIC_TEXTS), _vectors(encoder, tokenizer, words))


def _vectors(encoder: PackedBert, tokenizer: Tokenizer, strings: tuple[str, ...] | list[str]) -> Tensor:
    parts = []
    for start in range(0, len(strings), STRINGS_PER_BATCH):
        ids = [encoding.ids for encoding in tokenizer.encode_batch(list(strings[start : start + STRINGS_PER_BATCH]))]
        batch = PackedBatch.pack(ids)
        with torch.inference_mode():
            parts.append(encoder(batch, rows=torch.tensor(batch.cumulative_lengths[:-1])))
    return torch.cat(parts)


if __name__ == "__main__":
    label_free_space(fetch_tower(lambda line: print(line, file=sys.stderr))).write(Path(sys.argv[1]))
