"""The published architectures: how label sets and texts become sequences, and sequences become logits.

Adding one touches one file and the table below.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from torch import Tensor, nn

from model.configuration import GliclassConfig
from model.errors import CheckpointError, ModelError
from model.head import Scores
from model.label_set import LabelSet
from model.prompt import Prompt, TextPass
from model.tokenizer import PieceTokenizer

ARCHITECTURES: dict[str, str] = {
    "uni-encoder": "model.architectures.uni_encoder:UniEncoder",
    "bi-encoder": "model.architectures.bi_encoder:BiEncoder",
    "bi-encoder-fused": "model.architectures.bi_encoder_fused:BiEncoderFused",
    "encoder-decoder": "model.architectures.encoder_decoder:EncoderDecoder",
    "encoder-decoder-cls": "model.architectures.encoder_decoder:EncoderDecoderCls",
    "decoder-kv": "model.architectures.decoder_kv:DecoderKv",
}


@dataclass(frozen=True, slots=True)
class Tokenizers:
    """A checkpoint's tokenizers.

    Attributes:
        text: of the text side, and of labels that share its sequence.
        labels: of the label tower; the same object where there is none.
        max_tokens: window of a text sequence.
        max_label_tokens: window of a label sequence.
    """

    text: PieceTokenizer
    labels: PieceTokenizer
    max_tokens: int
    max_label_tokens: int


class Architecture(Protocol):
    """A module whose parameters have the published names, without their leading `model.`."""

    config: GliclassConfig
    has_label_tower: bool
    """Whether labels have an encoder and a tokenizer of their own."""
    markers: tuple[str, ...]
    """The reserved markers that its sequences are built of."""

    def prompt(self, label_set: LabelSet, tokenizers: Tokenizers) -> Prompt:
        """Tokenise a validated label set. No torch.

        Raises:
            LabelSetError: it does not fit the windows.
        """
        ...

    def label_vectors(self, prompts: Sequence[Prompt]) -> list[Tensor] | None:
        """What the label side can compute once: [labels, E] for each prompt; None where nothing can be."""
        ...

    def __call__(self, passes: Sequence[TextPass]) -> Scores:
        """Logits of every label of every pass, pass after pass and label set after label set; differentiable."""
        ...


def require_columns(passes: Sequence[TextPass], label_counts: Sequence[int]) -> Sequence[int]:
    """`label_counts`, the labels found in the sequence of each pass, if they are the labels that were put there.

    Raises:
        ModelError: they are not; scores would be read from the wrong columns.
    """
    expected = [text_pass.label_sets[0].prompt.label_count for text_pass in passes]
    if expected != list(label_counts):
        raise ModelError(f"sequences were built for {expected} labels and hold {list(label_counts)} label markers")
    return label_counts


def build_architecture(config: GliclassConfig) -> nn.Module:
    """The module for a configuration, with random weights; it satisfies `Architecture`.

    Raises:
        CheckpointError: an unknown architecture, encoder, pooling or scorer, by name.
    """
    if config.architecture_type not in ARCHITECTURES:
        raise CheckpointError(
            f"architecture_type {config.architecture_type!r} is unknown; supported: {', '.join(sorted(ARCHITECTURES))}"
        )
    module_name, class_name = ARCHITECTURES[config.architecture_type].split(":")
    return getattr(import_module(module_name), class_name)(config)
