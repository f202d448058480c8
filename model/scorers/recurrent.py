"""The recurrent step of the decoder-kv scorer: the same cell any number of times around one encoder."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.configuration import GliclassConfig
from model.scorers.cross_attention import cross_attention

READ_HEAD_SIZE = 64


@dataclass(frozen=True, slots=True)
class TextMemory:
    """Keys and values of the texts before their label sections: [R, heads, d] each, text after text."""

    keys: Tensor
    values: Tensor
    lengths: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Recurrence:
    """How often the cell runs.

    Attributes:
        steps: passes at most, the plain first one included.
        halt_threshold: a text stops once none of its probabilities moved by as much in a step; None never stops.
    """

    steps: int
    halt_threshold: float | None = None

    @classmethod
    def resolve(cls, config: GliclassConfig, *, training: bool) -> "Recurrence":
        """The recurrence that a checkpoint asks for.

        In training the number of steps is drawn uniformly from `recurrent_min_steps` to `recurrent_steps`, from
        torch's generator, and no text stops early.
        """
        if config.recurrent_steps <= 1:
            return cls(1)
        if training:
            least = min(config.recurrent_min_steps or 1, config.recurrent_steps)
            return cls(int(torch.randint(least, config.recurrent_steps + 1, (1,))))
        if not config.recurrent_inference:
            return cls(1)
        steps = config.recurrent_inference_max_steps or config.recurrent_steps
        return cls(steps, config.recurrent_halt_threshold or None)


class ReasoningCell(nn.Module):
    """A gated step: h' = (1 - z) h + z Enc(r h + (1 - r) x + read(h)). Parameter names are the published keys.

    x is the layer-normalised decoder state, r and z are gates; with `read_text`, read(h) attends to the text.
    """

    def __init__(self, hidden_size: int, *, read_text: bool) -> None:
        super().__init__()
        self.reset_gate = nn.Linear(hidden_size * 2, hidden_size)
        self.update_gate = nn.Linear(hidden_size * 2, hidden_size)
        self.read_text = read_text
        self.heads = max(1, hidden_size // READ_HEAD_SIZE)
        if read_text:
            self.read_q = nn.Linear(hidden_size, hidden_size)
            self.read_k = nn.Linear(hidden_size, hidden_size)
            self.read_v = nn.Linear(hidden_size, hidden_size)
            self.read_out = nn.Linear(hidden_size, hidden_size)

    def normalise(self, states: Tensor) -> Tensor:
        """Layer norm without parameters, [S, D] -> [S, D]."""
        return F.layer_norm(states, states.shape[-1:])

    def remember(self, text_states: Tensor, lengths: tuple[int, ...]) -> TextMemory:
        """Project the decoder states [R, D] of the texts once, for all steps."""
        states = self.normalise(text_states)
        keys, values = (layer(states).unflatten(-1, (self.heads, -1)) for layer in (self.read_k, self.read_v))
        return TextMemory(keys, values, lengths)

    def forward(
        self,
        state: Tensor,
        inputs: Tensor,
        section_lengths: tuple[int, ...],
        encode: Callable[[Tensor, tuple[int, ...]], Tensor],
        memory: TextMemory | None,
    ) -> Tensor:
        """One step over the label sections of N texts.

        state: [S, D]; inputs: [S, D], normalised; section_lengths: rows of each section; encode: the scorer's
        encoder; memory: the texts, required with `read_text`. Returns the next state [S, D].
        """
        reset = self.reset_gate(torch.cat([state, inputs], dim=-1)).sigmoid()
        candidate = reset * state + (1 - reset) * inputs
        if self.read_text:
            if memory is None:
                raise ValueError("a cell that reads the text needs its memory")
            candidate = candidate + self._read(state, section_lengths, memory)
        candidate = encode(candidate, section_lengths)
        update = self.update_gate(torch.cat([state, candidate], dim=-1)).sigmoid()
        return (1 - update) * state + update * candidate

    def _read(self, state: Tensor, section_lengths: tuple[int, ...], memory: TextMemory) -> Tensor:
        queries = self.read_q(self.normalise(state)).unflatten(-1, (self.heads, -1))
        context = cross_attention(queries, section_lengths, memory.keys, memory.values, memory.lengths)
        return self.read_out(context.flatten(-2))
