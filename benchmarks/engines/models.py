"""Checkpoints with random weights and realistic sizes: speed does not depend on what a model has learnt."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing
from transformers import BertConfig, DebertaV2Config, ModernBertConfig, PreTrainedConfig, PreTrainedTokenizerFast

from model.checkpoint import WEIGHTS_FILE, save_weights
from model.configuration import CONFIG_FILE, GliclassConfig
from model.gliclass import GliclassModel
from model.tokenizer import MARKERS

WORDS = 3000
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
LAYERS, WIDTH, HEADS, INNER_WIDTH = 6, 384, 12, 1536
POSITIONS = 1024
FAMILIES = ("bert", "modernbert", "deberta", "biencoder")


def word(number: int) -> str:
    """The `number`-th word of the vocabulary; every word is one token."""
    return f"w{number}"


def write_checkpoint(folder: Path, family: str, **sizes: int) -> Path:
    """Write a checkpoint of six layers of width 384 with one of `FAMILIES` in it; returns the folder. `sizes` are other
    values for the sizes of the encoder's configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer()
    tokenizer.save_pretrained(folder)
    encoder = _encoder(family, len(tokenizer), sizes)
    vocabulary = tokenizer.get_vocab()
    two_towers = family == "biencoder"
    config = GliclassConfig(
        encoder_config=encoder,
        encoder_model_name=encoder.model_type,
        label_model_config=_encoder(family, len(tokenizer), sizes) if two_towers else None,
        label_model_name=str(folder.resolve()) if two_towers else None,
        architecture_type="bi-encoder" if two_towers else "uni-encoder",
        class_token_index=vocabulary[MARKERS[0]],
        text_token_index=vocabulary[MARKERS[1]],
        example_token_index=vocabulary[MARKERS[2]],
        prompt_first=True,
    )
    torch.manual_seed(0)
    save_weights(GliclassModel(config), folder / WEIGHTS_FILE)
    (folder / CONFIG_FILE).write_text(json.dumps(config.to_dict()), encoding="utf-8")
    return folder


def _encoder(family: str, vocabulary_size: int, other_sizes: Mapping[str, int]) -> PreTrainedConfig:
    sizes = {
        "vocab_size": vocabulary_size,
        "hidden_size": WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": INNER_WIDTH,
        "max_position_embeddings": POSITIONS,
        "pad_token_id": 0,
        **other_sizes,
    }
    if family == "modernbert":
        return ModernBertConfig.from_dict(sizes | {"bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2})
    if family == "deberta":
        disentangled = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 256}
        published = {"share_att_key": True, "position_biased_input": False, "norm_rel_ebd": "layer_norm"}
        return DebertaV2Config.from_dict(sizes | disentangled | published | {"type_vocab_size": 0})
    return BertConfig.from_dict(sizes)


def _tokenizer() -> PreTrainedTokenizerFast:
    words = [*SPECIALS, *(word(number) for number in range(WORDS))]
    backend = Tokenizer(WordPiece({text: index for index, text in enumerate(words)}, unk_token="[UNK]"))
    backend.normalizer = BertNormalizer()
    backend.pre_tokenizer = BertPreTokenizer()
    backend.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )
    tokenizer.add_tokens(list(MARKERS), special_tokens=True)
    return tokenizer
