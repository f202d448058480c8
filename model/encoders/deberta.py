"""DeBERTa-v2, DeBERTa-v3 and mDeBERTa on packed sequences.

Disentangled attention (He et al., arXiv 2006.03654 §3.1; log buckets and shared projections: arXiv 2111.09543) adds two
position terms to the scores of query i and key j: the query, and the key, against the relative embedding of i - j.
Here each term is one product with only the relative rows that the sequence can need. While a row belongs to one
distance, the term is a strided view of the product's diagonals; beyond that range, where distances share log buckets,
it is gathered. Their sum is the additive bias of fused attention.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import DebertaV2Config, DebertaV2Model
from transformers.models.deberta_v2.modeling_deberta_v2 import (
    ConvLayer,
    DebertaV2Embeddings,
    DebertaV2Encoder,
    DebertaV2Layer,
    DisentangledSelfAttention,
)

from model.encoders.slices import in_slices
from model.errors import CheckpointError
from model.packing import PackedBatch, QueryRows


class RelativeScale(NamedTuple):
    """How a distance i - j finds its row among the relative embeddings.

    Attributes:
        span: half the number of rows.
        buckets: log buckets on each side; 0 or less for one row per distance.
        max_distance: the distance at which the buckets end.
    """

    span: int
    buckets: int
    max_distance: int

    @classmethod
    def of(cls, config: DebertaV2Config) -> Self:
        """Read the scale from a config."""
        max_distance = getattr(config, "max_relative_positions", -1)
        if max_distance < 1:
            max_distance = config.max_position_embeddings
        buckets = getattr(config, "position_buckets", -1)
        return cls(buckets if buckets > 0 else max_distance, buckets, max_distance)

    @property
    def longest_unshared(self) -> int:
        """The longest sequence in which no two distances share a row."""
        return 1 + (min(self.buckets // 2, self.span - 1) if self.buckets > 0 else self.span - 1)

    def rows(self, distance: Tensor) -> Tensor:
        """Row of each distance i - j: int64, same shape."""
        if self.buckets > 0:
            middle = self.buckets // 2
            # The float operations and their order are those of transformers: another order rounds some distances
            # into the neighbouring bucket.
            magnitude = torch.where(distance.abs() < middle, middle - 1, distance.abs())
            ratio = torch.log(magnitude / middle) / torch.log(torch.tensor((self.max_distance - 1) / middle))
            bucket = torch.ceil(ratio * (middle - 1)) + middle
            distance = torch.where(magnitude <= middle, distance, (bucket * distance.sign()).long())
        return (distance + self.span).clamp(0, 2 * self.span - 1)


class PositionTables(NamedTuple):
    """Relative embeddings projected for one layer and scaled for the scores; [heads, d, 2 * span], or None if unused.

    Attributes:
        falling: multiplied with the queries; its columns are in the order of falling distance.
        rising: multiplied with the keys; its columns are in the order of rising distance.
    """

    falling: Tensor | None
    rising: Tensor | None


class PositionWindow(NamedTuple):
    """The columns of the position tables that one sequence needs, and where each pair of tokens finds its own.

    Attributes:
        falling, rising: columns of the tables.
        falling_index: int64 [Q, L], column of the window for query i and key j; None for the diagonals.
        rising_index: int64 [L, Q], column of the window for key j and query i; None for the diagonals.
    """

    falling: slice
    rising: slice
    falling_index: Tensor | None = None
    rising_index: Tensor | None = None

    @classmethod
    def of(cls, scale: RelativeScale, length: int, asked: Tensor | None, device: torch.device) -> Self:
        """The window of a sequence of `length` tokens, of which those at `asked` (int64 [Q], None for all) ask."""
        rows = 2 * scale.span
        if asked is None and length <= scale.longest_unshared:
            return cls(
                slice(scale.span - length, scale.span + length - 1),
                slice(scale.span - length + 1, scale.span + length),
            )
        if asked is not None and len(asked) == 0:
            return cls(slice(0), slice(0))
        keys = torch.arange(length)
        queries = keys if asked is None else asked.cpu()
        rising = scale.rows(torch.arange(1 - length, length))[queries[None, :] - keys[:, None] + length - 1]
        first, last = int(rising.min()), int(rising.max())
        return cls(
            slice(rows - 1 - last, rows - first),
            slice(first, last + 1),
            (last - rising.T).contiguous().to(device),
            (rising - first).to(device),
        )


def _diagonals(products: Tensor) -> Tensor:
    """View [h, L, 2L - 1] as [h, L, L]: element (a, b) is column b - a + L - 1 of row a."""
    heads, length, columns = products.shape
    return products.as_strided((heads, length, length), (length * columns, columns - 1, 1), length - 1)


def _position_bias(query: Tensor, key: Tensor, tables: PositionTables, window: PositionWindow) -> Tensor | None:
    """Both position terms of one sequence, [h, Q, L], from its query [h, Q, d] and key [h, L, d]."""
    bias = None
    if tables.falling is not None:
        products = torch.bmm(query, tables.falling[:, :, window.falling])
        index = window.falling_index
        bias = _diagonals(products) if index is None else products.gather(2, index.expand(len(products), -1, -1))
    if tables.rising is not None:
        products = torch.bmm(key, tables.rising[:, :, window.rising])
        index = window.rising_index
        term = _diagonals(products) if index is None else products.gather(2, index.expand(len(products), -1, -1))
        bias = term.mT if bias is None else bias + term.mT
    return bias


def project_positions(attention: DisentangledSelfAttention, embeddings: Tensor) -> PositionTables:
    """Project the relative embeddings, [2 * span, H], for the attention of one layer."""
    embeddings = attention.pos_dropout(embeddings)

    def columns(projection: nn.Module, embeddings: Tensor) -> Tensor:
        projected = projection(embeddings) * _scale(attention)
        return projected.unflatten(-1, (attention.num_attention_heads, -1)).permute(1, 2, 0).contiguous()

    falling, rising = _position_projections(attention)
    return PositionTables(
        None if falling is None else columns(falling, embeddings.flip(0)),
        None if rising is None else columns(rising, embeddings),
    )


def _position_projections(attention: DisentangledSelfAttention) -> tuple[nn.Module | None, nn.Module | None]:
    key, query = ("key_proj", "query_proj") if attention.share_att_key else ("pos_key_proj", "pos_query_proj")
    return (
        getattr(attention, key) if "c2p" in attention.pos_att_type else None,
        getattr(attention, query) if "p2c" in attention.pos_att_type else None,
    )


def _attention(layer: DebertaV2Layer) -> DisentangledSelfAttention:
    return cast(DisentangledSelfAttention, layer.attention.self)


def _scale(attention: DisentangledSelfAttention) -> float:
    terms = 1 + ("c2p" in attention.pos_att_type) + ("p2c" in attention.pos_att_type)
    return 1 / math.sqrt(attention.attention_head_size * terms)


def _attend(
    attention: DisentangledSelfAttention,
    hidden: Tensor,
    cumulative_lengths: Sequence[int],
    tables: PositionTables,
    windows: Sequence[PositionWindow],
    rows: QueryRows | None,
) -> Tensor:
    """Attend from the asked rows (all without `rows`) of `hidden` [T, H], inside each sequence: [T, H], or [R, H]."""
    heads, scale = attention.num_attention_heads, _scale(attention)
    asking = hidden if rows is None else hidden[rows.indices]
    query, key, value = (
        projection(states).unflatten(-1, (heads, -1)).transpose(0, 1)
        for projection, states in (
            (attention.query_proj, asking),
            (attention.key_proj, hidden),
            (attention.value_proj, hidden),
        )
    )
    query_bounds = cumulative_lengths if rows is None else rows.cumulative_lengths
    dropout = attention.dropout.p if attention.training else 0.0
    contexts = []
    for (start, end), (first, last), window in zip(
        pairwise(cumulative_lengths), pairwise(query_bounds), windows, strict=True
    ):
        if first == last:
            continue
        q, k, v = query[:, first:last], key[:, start:end], value[:, start:end]
        bias = _position_bias(q, k, tables, window)
        # The batch dimension matters: without it the fused kernel is not taken.
        context = F.scaled_dot_product_attention(
            q[None], k[None], v[None], None if bias is None else bias[None], dropout, scale=scale
        )
        contexts.append(context[0].transpose(0, 1).flatten(1))
    return contexts[0] if len(contexts) == 1 else torch.cat(contexts)


class PackedDebertaEncoder(nn.Module):
    """The layers of transformers' `DebertaV2Encoder`, without embeddings, run on packed sequences.

    In evaluation the relative embeddings are projected once and kept until a weight changes; in training, and wherever
    their gradient is asked for, they are projected in every pass.
    """

    layer: nn.ModuleList
    conv: ConvLayer | None
    rel_embeddings: nn.Embedding

    def __init__(self, config: DebertaV2Config, encoder: DebertaV2Encoder | None = None) -> None:
        """Take over the modules of `encoder`, or random weights.

        Raises:
            CheckpointError: the config asks for a convolution with an even kernel.
        """
        super().__init__()
        kernel_size = getattr(config, "conv_kernel_size", 0)
        if kernel_size > 0 and kernel_size % 2 == 0:
            raise CheckpointError(
                f"config.json: encoder_config.conv_kernel_size is {kernel_size}; an even size changes the number of "
                "tokens and cannot be run, use an odd one"
            )
        for name, child in (encoder or DebertaV2Encoder(config)).named_children():
            self.add_module(name, child)
        if "conv" not in self._modules:
            self.conv = None
        self.scale = RelativeScale.of(config) if config.relative_attention else None
        self.conv_reach = kernel_size // 2
        self._kept_tables: tuple[tuple[tuple[int, int], ...], list[PositionTables]] | None = None

    def forward(self, hidden: Tensor, cumulative_lengths: Sequence[int], rows: Tensor | None = None) -> Tensor:
        """Run the layers.

        Args:
            hidden: [T, H], what leaves the embeddings.
            cumulative_lengths: N + 1 integers.
            rows: int64 [R], never decreasing: the only rows that leave the last layer. None for all.

        Returns:
            [T, H], or [R, H].
        """
        embedded, layers, last = hidden, self._layers(), len(self.layer) - 1
        asked = None if rows is None else QueryRows.of(rows, cumulative_lengths)
        windows = self._windows(cumulative_lengths, None, hidden.device)
        for index, (layer, tables) in enumerate(zip(layers, self._position_tables(), strict=True)):
            # The convolution after the first layer reads the neighbours of a row: every row has to reach it.
            trimmed = asked if index == last and (index > 0 or self.conv is None) else None
            if trimmed is not None:
                windows = self._windows(cumulative_lengths, trimmed, hidden.device)
            context = _attend(_attention(layer), hidden, cumulative_lengths, tables, windows, trimmed)
            attended = layer.attention.output(context, hidden if trimmed is None else hidden[trimmed.indices])
            hidden = in_slices(lambda states, at=layer: at.output(at.intermediate(states), states), attended)
            if index == 0 and self.conv is not None:
                hidden = self._convolve(self.conv, embedded, hidden, cumulative_lengths)
                if index == last and rows is not None:
                    hidden = hidden[rows]
        return hidden

    def _convolve(
        self, convolution: ConvLayer, embedded: Tensor, hidden: Tensor, cumulative_lengths: Sequence[int]
    ) -> Tensor:
        # As many zeros between two sequences as the kernel reaches: what padding puts at their ends.
        device = hidden.device
        lengths = torch.tensor(cumulative_lengths, device=device).diff()
        gaps = self.conv_reach * torch.arange(len(lengths), device=device).repeat_interleave(lengths)
        places = torch.arange(len(hidden), device=device) + gaps
        spaced = hidden.new_zeros(2, int(places[-1]) + 1, hidden.shape[1])
        spaced = spaced.index_copy(1, places, torch.stack((embedded, hidden)))
        mask = torch.zeros(1, spaced.shape[1], dtype=torch.int64, device=device).index_fill(1, places, 1)
        return convolution(spaced[:1], spaced[1:], mask)[0, places]

    def _windows(
        self, cumulative_lengths: Sequence[int], asked: QueryRows | None, device: torch.device
    ) -> list[PositionWindow]:
        bounds = list(pairwise(cumulative_lengths))
        scale = self.scale
        if scale is None:
            return [PositionWindow(slice(0), slice(0))] * len(bounds)
        if asked is not None:
            return [
                PositionWindow.of(scale, end - start, asked.indices[first:last] - start, device)
                for (start, end), (first, last) in zip(bounds, pairwise(asked.cumulative_lengths), strict=True)
            ]
        lengths = [end - start for start, end in bounds]
        window_of = {length: PositionWindow.of(scale, length, None, device) for length in set(lengths)}
        return [window_of[length] for length in lengths]

    def _position_tables(self) -> list[PositionTables]:
        if self.scale is None:
            return [PositionTables(None, None)] * len(self.layer)
        weights = self._position_weights()
        if self.training or (torch.is_grad_enabled() and any(weight.requires_grad for weight in weights)):
            return self._project_positions()
        state = tuple((weight.data_ptr(), 0 if weight.is_inference() else weight._version) for weight in weights)
        if self._kept_tables is None or self._kept_tables[0] != state:
            # Tensors made in inference mode could not take part in a later pass that needs gradients.
            with torch.inference_mode(False), torch.no_grad():
                self._kept_tables = state, self._project_positions()
        return self._kept_tables[1]

    def _project_positions(self) -> list[PositionTables]:
        norm = self._modules.get("LayerNorm")
        embeddings = self.rel_embeddings.weight if norm is None else norm(self.rel_embeddings.weight)
        return [project_positions(_attention(layer), embeddings) for layer in self._layers()]

    def _position_weights(self) -> list[nn.Parameter]:
        modules: list[nn.Module | None] = [self.rel_embeddings, self._modules.get("LayerNorm")]
        for layer in self._layers():
            modules.extend(_position_projections(_attention(layer)))
        return [weight for module in modules if module is not None for weight in module.parameters()]

    def _layers(self) -> list[DebertaV2Layer]:
        return cast(list[DebertaV2Layer], list(self.layer))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        self._kept_tables = None
        return super()._apply(fn, recurse)

    def train(self, mode: bool = True) -> Self:
        """Switch between training and evaluation; the kept projections are dropped."""
        self._kept_tables = None
        return super().train(mode)


class PackedDeberta(nn.Module):
    """The layers of transformers' `DebertaV2Model`, run on packed sequences; satisfies `PackedEncoder`."""

    def __init__(self, config: DebertaV2Config) -> None:
        """Random weights.

        Raises:
            CheckpointError: the config asks for a convolution with an even kernel.
        """
        super().__init__()
        self.config = config
        model = DebertaV2Model(config)
        self.embeddings: DebertaV2Embeddings = model.embeddings
        self.encoder = PackedDebertaEncoder(config, model.encoder)

    def get_input_embeddings(self) -> nn.Embedding:
        return self.embeddings.word_embeddings

    def forward(
        self,
        batch: PackedBatch,
        *,
        inputs_embeds: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        rows: Tensor | None = None,
    ) -> Tensor:
        """[T, H], or [R, H] with `rows`; see `PackedEncoder`.

        `token_type_ids` has no effect where the config has no token types, as in transformers.
        """
        embedded = self.embeddings(
            input_ids=batch.input_ids[None] if inputs_embeds is None else None,
            inputs_embeds=None if inputs_embeds is None else inputs_embeds[None],
            token_type_ids=None if token_type_ids is None else token_type_ids[None],
            position_ids=batch.position_ids[None],
        )
        return self.encoder(embedded[0], batch.cumulative_lengths, rows)
