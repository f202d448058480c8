"""Label sets made ready for one model: checked and tokenised on any thread, their vectors computed on the device's."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from weakref import WeakValueDictionary

import torch
from torch import Tensor

from model.architectures import Architecture, Tokenizers
from model.label_parts import parts_that_fit
from model.label_reading import Remark, remarks_on, remarks_on_vectors, require_readable
from model.label_set import LabelSet, validate
from model.misuse import require_label_set
from model.prompt import PreparedLabelSet, Prompt, require_room
from model.vector_store import VectorStore, content_key


@dataclass(frozen=True, slots=True)
class Unit:
    """The least that a label side computes at once: a label, or a label set whose labels are read together.

    Attributes:
        key: hash of its content.
        token_count: tokens that the label side reads.
    """

    key: bytes
    prompt: Prompt
    token_count: int

    @classmethod
    def of(cls, prompt: Prompt) -> "Unit":
        return cls(content_key(prompt), prompt, sum(map(len, prompt.labels)))


class LabelPreparation:
    """What one model makes of label sets. Equal content is prepared once, for as long as anybody uses it.

    Attributes:
        store: where vectors are kept beyond this process; None keeps none.
    """

    def __init__(
        self, architecture: Architecture, tokenizers: Tokenizers, model_digest: str, device: torch.device
    ) -> None:
        self.store: VectorStore | None = None
        self._architecture = architecture
        self._tokenizers = tokenizers
        self._model_digest = model_digest
        self._device = device
        self._prepared: WeakValueDictionary[str, PreparedLabelSet] = WeakValueDictionary()
        self._known: dict[bytes, Tensor] = {}
        self._has_label_side = True

    def draft(self, label_set: LabelSet) -> PreparedLabelSet:
        """See `Scorer.draft`."""
        require_label_set(label_set)
        validate(label_set)
        known = self._prepared.get(label_set.key)
        if known is not None:
            return known
        require_readable(label_set, self._tokenizers.labels)
        if not label_set.labels_in_parts:
            return self.tokenised(label_set)
        fitting = parts_that_fit(label_set, self._room_beside, self._tokenizers.max_tokens)
        if len(fitting) == 1:
            return self.draft(replace(label_set, labels_in_parts=False))
        parts = tuple(self.tokenised(part) for part in fitting)
        return PreparedLabelSet(
            label_set=label_set,
            key=label_set.key,
            prompt=parts[0].prompt,
            vectors=None,
            token_count=sum(part.token_count for part in parts),
            model_digest=self._model_digest,
            remarks=self._remarks(label_set),
            parts=parts,
        )

    def _room_beside(self, label_set: LabelSet) -> int:
        prompt = self._architecture.prompt(label_set, self._tokenizers)
        return require_room(prompt, self._tokenizers.text, self._tokenizers.max_tokens)

    def _remarks(self, label_set: LabelSet) -> tuple[Remark, ...]:
        return tuple(
            remarks_on(
                label_set,
                label_tokenizer=self._tokenizers.labels,
                tokenizer=self._tokenizers.text,
                reads_examples=self._architecture.config.architecture_type != "bi-encoder",
            )
        )

    def tokenised(self, label_set: LabelSet) -> PreparedLabelSet:
        """A draft of a valid label set, whether its labels mean something to the tokenizer or not.

        Raises:
            LabelSetError: it leaves no room for a text.
        """
        prompt = self._architecture.prompt(label_set, self._tokenizers)
        return PreparedLabelSet(
            label_set=label_set,
            key=label_set.key,
            prompt=prompt,
            vectors=None,
            token_count=len(prompt.before) + len(prompt.after),
            model_digest=self._model_digest,
            remarks=self._remarks(label_set),
        )

    def missing(self, drafts: Sequence[PreparedLabelSet]) -> list[Unit]:
        """See `Scorer.missing`."""
        wanted = {unit.key: unit for draft in drafts if draft.key not in self._prepared for unit in self._units(draft)}
        unknown = [key for key in wanted if key not in self._known]
        if self.store is not None and unknown:
            self._known |= {key: vectors.to(self._device) for key, vectors in self.store.find(unknown).items()}
        return [unit for key, unit in wanted.items() if key not in self._known]

    def compute(self, units: Sequence[Unit]) -> None:
        """See `Scorer.compute`."""
        if not units:
            return
        with torch.inference_mode():
            computed = self._architecture.label_vectors([unit.prompt for unit in units])
        if computed is None:
            self._has_label_side = False
            return
        # Of each unit its own memory: a part of a whole pass would keep all of it alive.
        fresh = {unit.key: vectors.clone() for unit, vectors in zip(units, computed, strict=True)}
        if self.store is not None:
            self.store.keep(fresh)
        self._known |= fresh

    def fill(self, drafts: Sequence[PreparedLabelSet]) -> list[PreparedLabelSet]:
        """See `Scorer.fill`."""
        self.compute(self.missing(drafts))
        new = {draft.key: draft for draft in drafts if draft.key not in self._prepared}
        filled = {key: self._filled(draft) for key, draft in new.items()}
        for key, prepared in filled.items():
            self._prepared[key] = prepared
        for draft in new.values():
            for unit in self._units(draft):
                self._known.pop(unit.key, None)
        return [filled.get(draft.key) or self._prepared.get(draft.key, draft) for draft in drafts]

    def _filled(self, draft: PreparedLabelSet) -> PreparedLabelSet:
        if draft.parts:
            return replace(draft, parts=tuple(self._filled(part) for part in draft.parts))
        units = self._units(draft)
        if not units:  # labels are read with the text
            return replace(draft)
        vectors = torch.cat([self._known[unit.key] for unit in units])
        if not self._architecture.has_label_tower:
            return replace(draft, vectors=vectors)
        return replace(draft, vectors=vectors, remarks=(*draft.remarks, *remarks_on_vectors(draft.label_set, vectors)))

    def _units(self, draft: PreparedLabelSet) -> list[Unit]:
        """What its vectors are made of: each label, where a tower reads them one by one, or all of them."""
        if draft.parts:
            return [unit for part in draft.parts for unit in self._units(part)]
        prompt = draft.prompt
        if not self._has_label_side or not prompt.labels:
            return []
        if not self._architecture.has_label_tower:
            return [Unit.of(prompt)]
        return [Unit.of(replace(prompt, label_count=1, labels=(sequence,))) for sequence in prompt.labels]
