"""The `gliclass` package as the oracle: random checkpoints that it writes, and its logits for one text run alone."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gliclass import GLiClassModel, GLiClassModelConfig
from gliclass.pipeline import (
    BiEncoderZeroShotClassificationPipeline,
    DecoderKVZeroShotClassificationPipeline,
    EncoderDecoderZeroShotClassificationPipeline,
    UniEncoderZeroShotClassificationPipeline,
)
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, PreTrainedConfig, PreTrainedTokenizerFast, Qwen3Config

from model import LabelSet
from model.tokenizer import MARKERS

PIPELINES = {
    "uni-encoder": UniEncoderZeroShotClassificationPipeline,
    "bi-encoder": BiEncoderZeroShotClassificationPipeline,
    "bi-encoder-fused": BiEncoderZeroShotClassificationPipeline,
    "encoder-decoder": EncoderDecoderZeroShotClassificationPipeline,
    "encoder-decoder-cls": EncoderDecoderZeroShotClassificationPipeline,
    "decoder-kv": DecoderKVZeroShotClassificationPipeline,
}
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,:;!?<>-'\"()éüßñ日本語☃"


def wordpiece_tokenizer() -> PreTrainedTokenizerFast:
    """BERT's cutting over single characters."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    backend = Tokenizer(models.WordPiece({word: index for index, word in enumerate(words)}, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return _finished(backend, "[CLS] $A [SEP]")


def unigram_tokenizer(prepend_scheme: str = "first") -> PreTrainedTokenizerFast:
    """SentencePiece's cutting, as in DeBERTa-v3 and T5; pieces differ at the start of a text."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "▁", *LETTERS, *(f"▁{letter}" for letter in LETTERS[:26])]
    backend = Tokenizer(models.Unigram([(piece, -1.0 - index / 100) for index, piece in enumerate(pieces)], unk_id=1))
    backend.normalizer = normalizers.NFKC()
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=prepend_scheme)
    return _finished(backend, "[CLS] $A [SEP]")


def byte_level_tokenizer(*, add_prefix_space: bool = False) -> PreTrainedTokenizerFast:
    """GPT's cutting, as in ModernBERT and Qwen."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *alphabet]
    backend = Tokenizer(models.BPE({word: index for index, word in enumerate(words)}, [], unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    backend.decoder = decoders.ByteLevel()
    return _finished(backend, "[CLS] $A [SEP]")


def _finished(backend: Tokenizer, template: str) -> PreTrainedTokenizerFast:
    specials = ["[CLS]", "[SEP]"]
    backend.post_processor = processors.TemplateProcessing(
        single=template, special_tokens=[(name, backend.token_to_id(name)) for name in specials]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )
    tokenizer.add_tokens(list(MARKERS), special_tokens=True)
    return tokenizer


def tiny_bert(**fields: Any) -> BertConfig:
    """Two narrow layers that see 600 positions."""
    sizes = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 600,
    }
    return BertConfig(**{"vocab_size": len(wordpiece_tokenizer()), **sizes, **fields})


def write_reference(
    folder: Path,
    encoder: PreTrainedConfig | None = None,
    *,
    tokenizer: PreTrainedTokenizerFast | None = None,
    label_encoder: PreTrainedConfig | None = None,
    seed: int = 0,
    spread: float = 4.0,
    **fields: Any,
) -> Path:
    """Let `gliclass` save a random checkpoint into `folder`.

    spread: factor on the weights that the reference draws, so that logits spread and poolings differ visibly.
    fields: of config.json.
    """
    tokenizer = tokenizer or wordpiece_tokenizer()
    encoder = encoder or tiny_bert()
    if label_encoder is not None:
        fields |= {"label_model_config": label_encoder.to_dict(), "label_model_name": str(folder)}
    label, separator, example = (tokenizer.get_vocab()[marker] for marker in MARKERS)
    config = GLiClassModelConfig(
        encoder_config=encoder.to_dict(),
        encoder_model_name=encoder.model_type,
        class_token_index=label,
        text_token_index=separator,
        example_token_index=example,
        vocab_size=encoder.get_text_config().vocab_size,
        **{"prompt_first": True, **fields},
    )
    torch.manual_seed(seed)
    model = GLiClassModel(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1 and "embed" not in name:
                parameter.mul_(spread)
            elif name.endswith("bias"):
                parameter.normal_(std=0.1)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def write_qwen(folder: Path, **fields: Any) -> Path:
    """Let `gliclass` save a random decoder-kv of two narrow Qwen3 layers; `fields` as in `write_reference`."""
    tokenizer = byte_level_tokenizer()
    decoder = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        pad_token_id=0,
    )
    return write_reference(
        folder,
        decoder,
        tokenizer=tokenizer,
        **{
            "architecture_type": "decoder-kv",
            "scorer_type": "decoder-kv",
            "sep_token_index": tokenizer.convert_tokens_to_ids("<<SEP>>"),
            "scorer_mlp_hidden_size": 32,
            "scorer_encoder_num_layers": 1,
            **fields,
        },
    )


class Reference:
    """`gliclass` with one checkpoint in float32."""

    def __init__(self, folder: Path, max_tokens: int = 512) -> None:
        self.model = GLiClassModel.from_pretrained(str(folder), dtype=torch.float32).eval()
        architecture = self.model.config.architecture_type
        self.pipeline = PIPELINES[architecture](
            self.model, str(folder), max_length=max_tokens, device="cpu", progress_bar=False
        )

    def logits(self, text: str, label_set: LabelSet) -> np.ndarray:
        """Float32 logits [labels] of one text run alone."""
        labels = list(label_set.shown_labels)
        inputs = self.pipeline.prepare_inputs(
            [text],
            labels,
            same_labels=True,
            examples=[{"text": example.text, "labels": list(example.labels)} for example in label_set.examples],
            prompt=label_set.prompt or None,
        )
        columns = self.pipeline._resolve_max_num_classes(labels, True)
        with torch.no_grad():
            output = self.model(**inputs, max_num_classes=columns)
        return output.logits[0, : len(labels)].float().numpy()

    def batched(self, texts: Sequence[str], label_sets: Sequence[LabelSet]) -> list[np.ndarray]:
        """`logits` of each text under its label set."""
        return [self.logits(text, label_set) for text, label_set in zip(texts, label_sets, strict=True)]

    def state_dict(self) -> dict[str, torch.Tensor]:
        """A copy of the weights."""
        return copy.deepcopy(self.model.state_dict())
