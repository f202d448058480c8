"""The decoder-kv scorer: a small DeBERTa over each label section, read at its markers and its last separator."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor, nn
from transformers import DebertaV2Config

from model.configuration import GliclassConfig
from model.encoders.deberta import PackedDebertaEncoder
from model.label_sections import LabelSections
from model.projectors import normalise
from model.scorers.groups import LabelGroups, group_maximum, group_softmax
from model.scorers.pairwise import pair_linear, score_mlp
from model.scorers.recurrent import ReasoningCell, Recurrence, TextMemory

HEAD_SIZE = 64
MAX_RELATIVE_POSITIONS = 512


@dataclass(frozen=True, slots=True)
class DecoderScores:
    """What the steps of the scorer gave for N texts with C labels.

    Attributes:
        steps: logits [C] after each step that ran for any text; a text that stopped early keeps its last ones.
        text: [N, D] and classes: [C, D], the features of each text's last step.
        steps_taken: steps that each text ran.
    """

    steps: tuple[Tensor, ...]
    text: Tensor
    classes: Tensor
    steps_taken: tuple[int, ...]


class DecoderKvScorer(nn.Module):
    """Parameter names are the published state-dict keys."""

    def __init__(self, config: GliclassConfig) -> None:
        super().__init__()
        size, mlp_size = config.hidden_size, config.scorer_mlp_hidden_size
        encoder_config = DebertaV2Config(
            hidden_size=size,
            num_hidden_layers=config.scorer_encoder_num_layers,
            num_attention_heads=max(1, size // HEAD_SIZE),
            intermediate_size=size * 4,
            relative_attention=True,
            pos_att_type=["p2c", "c2p"],
            max_relative_positions=MAX_RELATIVE_POSITIONS,
        )
        self.scorer_encoder = PackedDebertaEncoder(encoder_config)
        self.text_projector = nn.Linear(size, size)
        self.label_projector = nn.Linear(size, size)
        self.dropout = nn.Dropout(config.dropout)
        self.mlp = score_mlp(size * 2, mlp_size, nn.ReLU)
        self.normalises = config.normalize_features
        self.single_label = config.problem_type == "single_label_classification"
        self.truncate_gradient_steps = config.recurrent_bptt_steps
        self.reads_text = config.recurrent_steps > 1 and config.recurrent_read_text
        if config.recurrent_steps > 1:
            self.reasoning_cell = ReasoningCell(size, read_text=self.reads_text)

    def forward(
        self,
        states: Tensor,
        sections: LabelSections,
        recurrence: Recurrence,
        text_states: Tensor | None = None,
        text_lengths: Sequence[int] | None = None,
    ) -> DecoderScores:
        """Score every label of N label sections.

        states: [S, D], the decoder's states of the sections; text_states: [R, D], those of everything before them,
        text after text, with text_lengths rows of each; both needed when the recurrence reads the text.

        A text that stops early leaves the computation; the others go on. Deciding that takes one device-to-host copy
        per step.
        """
        state = self._encode(states, sections.lengths)
        text, classes, logits = self._score(state, sections)
        steps = [logits]
        taken = [1] * len(sections.lengths)
        if recurrence.steps == 1:
            return DecoderScores(tuple(steps), text, classes, tuple(taken))
        inputs = self.reasoning_cell.normalise(states)
        memory = None
        if self.reads_text:
            if text_states is None or text_lengths is None:
                raise ValueError("recurrent_read_text needs the states of the texts")
            memory = self.reasoning_cell.remember(text_states, tuple(text_lengths))
        # `active` are the texts that still run; state, inputs, sections and memory hold only theirs.
        active = list(range(len(taken)))
        labels = torch.arange(len(logits), device=logits.device)
        for step in range(1, recurrence.steps):
            if self.truncate_gradient_steps and step % self.truncate_gradient_steps == 0:
                state = state.detach()
            state = self.reasoning_cell(state, inputs, sections.lengths, self._encode, memory)
            new_text, new_classes, new_logits = self._score(state, sections)
            texts = torch.tensor(active, device=text.device)
            text = text.index_copy(0, texts, new_text)
            classes = classes.index_copy(0, labels, new_classes)
            before, logits = logits[labels], logits.index_copy(0, labels, new_logits)
            steps.append(logits)
            for index in active:
                taken[index] += 1
            if recurrence.halt_threshold is None:
                continue
            moved = self._largest_move(before, new_logits, sections.label_counts)
            going = [index for index, change in enumerate(moved.tolist()) if change >= recurrence.halt_threshold]
            if not going:
                break
            if len(going) < len(active):
                rows = torch.from_numpy(sections.rows_of(going)).to(state.device)
                labels = labels[torch.from_numpy(sections.labels_of(going)).to(state.device)]
                memory = None if memory is None else _memory_of(memory, going)
                state, inputs = state[rows], inputs[rows]
                sections = sections.subset(going)
                active = [active[index] for index in going]
        return DecoderScores(tuple(steps), text, classes, tuple(taken))

    def _encode(self, states: Tensor, lengths: Sequence[int]) -> Tensor:
        return self.scorer_encoder(states, tuple(accumulate(lengths, initial=0)))

    def _score(self, state: Tensor, sections: LabelSections) -> tuple[Tensor, Tensor, Tensor]:
        """Text features [N, D], class features [C, D] and logits [C]."""
        text = state[torch.from_numpy(sections.separators).to(state.device)]
        classes = state[torch.from_numpy(sections.labels).to(state.device)]
        text = self.dropout(self.text_projector(text))
        classes = self.label_projector(classes)
        if self.normalises:
            text, classes = normalise(text), normalise(classes)
        groups = LabelGroups.one_per_text(sections.label_counts)
        first = self.mlp[0]
        assert isinstance(first, nn.Linear)
        hidden = pair_linear(first, text, classes, groups.text_of_labels(text.device))
        return text, classes, self.mlp[1:](hidden).squeeze(-1)

    def _largest_move(self, before: Tensor, after: Tensor, label_counts: tuple[int, ...]) -> Tensor:
        """[N]: the largest change of a probability of each text between two steps."""
        groups = LabelGroups.one_per_text(label_counts)
        of_labels = groups.group_of_labels(after.device)
        if self.single_label:
            probabilities = [group_softmax(logits.float(), of_labels, len(label_counts)) for logits in (before, after)]
        else:
            probabilities = [logits.float().sigmoid() for logits in (before, after)]
        return group_maximum((probabilities[1] - probabilities[0]).abs(), of_labels, len(label_counts))


def _memory_of(memory: TextMemory, texts: Sequence[int]) -> TextMemory:
    keys, values = memory.keys.split(list(memory.lengths)), memory.values.split(list(memory.lengths))
    return TextMemory(
        torch.cat([keys[text] for text in texts]),
        torch.cat([values[text] for text in texts]),
        tuple(memory.lengths[text] for text in texts),
    )
