"""A GLiClass checkpoint of a few kilobytes with random weights: the real code path where the answers do not matter."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing
from transformers import BertConfig, PreTrainedTokenizerFast

from model.checkpoint import WEIGHTS_FILE, save_weights
from model.configuration import CONFIG_FILE, GliclassConfig
from model.gliclass import GliclassModel
from model.tokenizer import MARKERS

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def write_tiny_checkpoint(folder: Path, *, architecture: str = "uni-encoder", seed: int = 0) -> Path:
    """Write a BERT uni- or bi-encoder of two small layers with a character vocabulary; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer()
    tokenizer.save_pretrained(folder)
    encoder = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=512,
    )
    bi_encoder = architecture == "bi-encoder"
    config = GliclassConfig(
        encoder_config=encoder,
        encoder_model_name="bert",
        label_model_config=encoder if bi_encoder else None,
        label_model_name=str(folder) if bi_encoder else None,
        architecture_type=architecture,
        class_token_index=len(tokenizer) - 3,
        text_token_index=len(tokenizer) - 2,
        example_token_index=len(tokenizer) - 1,
        prompt_first=True,
    )
    torch.manual_seed(seed)
    save_weights(GliclassModel(config), folder / WEIGHTS_FILE)
    (folder / CONFIG_FILE).write_text(json.dumps(config.to_dict()))
    return folder


def _tokenizer() -> PreTrainedTokenizerFast:
    characters = [chr(code) for code in range(33, 127)]
    words = [*SPECIALS, *characters, *(f"##{character}" for character in characters)]
    backend = Tokenizer(WordPiece({word: index for index, word in enumerate(words)}, unk_token="[UNK]"))
    backend.normalizer = BertNormalizer()
    backend.pre_tokenizer = BertPreTokenizer()
    backend.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", words.index("[CLS]")), ("[SEP]", words.index("[SEP]"))]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )
    tokenizer.add_special_tokens({"additional_special_tokens": list(MARKERS)})
    return tokenizer
