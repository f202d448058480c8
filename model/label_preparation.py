"""Label sets made ready for one model: checked and tokenised on any thread, their vectors computed on the device's."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from weakref import WeakValueDictionary

import torch
from torch import Tensor

from model.architectures import Architecture, Tokenizers
from model.label_reading import remarks_on, remarks_on_vectors, require_readable
from model.label_set import LabelSet, validate
from model.misuse import require_label_set
from model.prompt import PreparedLabelSet, Prompt
from model.vector_store import VectorStore, content_key


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

    def draft(self, label_set: LabelSet) -> PreparedLabelSet:
        """See `Scorer.draft`."""
        require_label_set(label_set)
        validate(label_set)
        known = self._prepared.get(label_set.key)
        if known is not None:
            return known
        require_readable(label_set, self._tokenizers.labels)
        return self.tokenised(label_set)

    def tokenised(self, label_set: LabelSet) -> PreparedLabelSet:
        """A draft of a valid label set, whether its labels mean something to the tokenizer or not.

        Raises:
            LabelSetError: it leaves no room for a text.
        """
        prompt = self._architecture.prompt(label_set, self._tokenizers)
        remarks = remarks_on(
            label_set,
            label_tokenizer=self._tokenizers.labels,
            tokenizer=self._tokenizers.text,
            reads_examples=self._architecture.config.architecture_type != "bi-encoder",
        )
        return PreparedLabelSet(
            label_set=label_set,
            key=label_set.key,
            prompt=prompt,
            vectors=None,
            token_count=len(prompt.before) + len(prompt.after),
            model_digest=self._model_digest,
            remarks=tuple(remarks),
        )

    def fill(self, drafts: Sequence[PreparedLabelSet]) -> list[PreparedLabelSet]:
        """See `Scorer.fill`."""
        new = {draft.key: draft for draft in drafts if draft.key not in self._prepared}
        vectors = self._vectors({content_key(draft.prompt): draft.prompt for draft in new.values()})
        filled: dict[str, PreparedLabelSet] = {}
        for key, draft in new.items():
            of_draft = vectors.get(content_key(draft.prompt))
            remarks = draft.remarks
            if of_draft is not None and self._architecture.has_label_tower:
                remarks = (*remarks, *remarks_on_vectors(draft.label_set, of_draft))
            filled[key] = self._prepared[key] = replace(draft, vectors=of_draft, remarks=remarks)
        return [filled.get(draft.key) or self._prepared.get(draft.key, draft) for draft in drafts]

    def _vectors(self, prompts: Mapping[bytes, Prompt]) -> dict[bytes, Tensor]:
        """By content, of those that have any; those that are not in the store are computed and put there."""
        if not prompts:
            return {}
        stored = self.store.find(list(prompts)) if self.store is not None else {}
        known = {key: vectors.to(self._device) for key, vectors in stored.items()}
        missing = [key for key in prompts if key not in known]
        if not missing:
            return known
        with torch.inference_mode():
            computed = self._architecture.label_vectors([prompts[key] for key in missing])
        if computed is None:
            return {}
        # Of each label set its own memory: a part of a whole pass would keep all of it alive.
        fresh = {key: vectors.clone() for key, vectors in zip(missing, computed, strict=True)}
        if self.store is not None:
            self.store.keep(fresh)
        return known | fresh
