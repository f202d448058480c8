"""Rows of files that people write: labelled texts to train, evaluate and calibrate with, and answers to results."""

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from schemas.errors import unknown_name
from schemas.types import Probability, StrictModel

Label = Annotated[str, Field(pattern=r"\S")]
Text = Annotated[str, Field(pattern=r"\S")]
Labels = list[Label]


def _named_once(labels: Labels, field: str) -> None:
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice is not None:
        raise ValueError(f"{field}: names {twice!r} twice")


def _all_known(named: Any, known: Labels, field: str) -> None:
    for label in named:
        if label not in known:
            raise ValueError(f"{field}: {unknown_name('label', label, known)}")


class ExampleRow(StrictModel):
    """A few-shot example: a text with its true labels."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["text", "labels"]}, {"required": ["text", "true_labels"]}]}
    )

    text: str
    labels: Labels = Field(default_factory=list)
    true_labels: Labels = Field(default_factory=list, description="Another name of `labels`; write one of the two.")

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if len(self.model_fields_set & {"labels", "true_labels"}) != 1:
            raise ValueError("labels: write 'labels' or 'true_labels'")
        return self


class TrainingRow(StrictModel):
    """One labelled text, for `train --data`, `evaluate` and `calibrate`.

    Either `labels`, with the candidate labels named beside the file (--labels, a set's meta.json, or a policy), or
    `all_labels` and `true_labels`. Under a policy a row has `text` and `labels` alone.
    """

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["labels"]}, {"required": ["all_labels", "true_labels"]}]}
    )

    text: Text
    labels: Labels | dict[str, Probability | None] | dict[str, Labels] = Field(
        default_factory=list,
        description="The true labels; or label: degree, from 0 to 1 or null for not known; or, under a policy, "
        "task: true labels.",
    )
    all_labels: Annotated[Labels, Field(min_length=1, json_schema_extra={"uniqueItems": True})] = Field(
        default_factory=list, description="The candidate labels of this row."
    )
    true_labels: Labels | dict[str, Probability | None] = Field(
        default_factory=list,
        description="Those of `all_labels` that are true; or label: degree, from 0 to 1 or null for not known.",
    )
    prompt: str | None = Field(default=None, description="An instruction before the text, glued to it.")
    examples: list[ExampleRow] | None = Field(default=None, description="Few-shot examples; bi-encoders ignore them.")
    split: str = Field(default="train", description="What the row is for: train, test, …")

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        given = self.model_fields_set & {"labels", "all_labels", "true_labels"}
        if given not in ({"labels"}, {"all_labels", "true_labels"}):
            raise ValueError("labels: write 'labels' alone, or 'all_labels' and 'true_labels'")
        if "all_labels" in given:
            _named_once(self.all_labels, "all_labels")
            _all_known(self.true_labels, self.all_labels, "true_labels")
        return self


class FeedbackRow(StrictModel):
    """One person's answer to one classified text, for `train --feedback`."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [{"required": [name]} for name in ("accepted", "rejected", "corrected", "candidates")]
        }
    )

    text: Text
    labels: Annotated[Labels, Field(min_length=1, json_schema_extra={"uniqueItems": True})] = Field(
        description="The labels the text was scored under; the rest of the row names some of them."
    )
    accepted: Labels | None = Field(default=None, description="Labels that were confirmed.")
    rejected: Labels | None = Field(default=None, description="Labels that were refused.")
    corrected: Labels | None = Field(default=None, description="The full right answer, possibly empty.")
    candidates: Labels | None = Field(default=None, description="Labels of which exactly one is right.")
    prompt: str | None = Field(default=None, description="The prompt the text was scored under.")

    @model_validator(mode="after")
    def _labels_agree(self) -> Self:
        _named_once(self.labels, "labels")
        for field in ("accepted", "rejected", "corrected", "candidates"):
            _all_known(getattr(self, field) or [], self.labels, field)
        both = sorted(set(self.accepted or []) & set(self.rejected or []))
        if both:
            raise ValueError(f"rejected: {both[0]!r} is in 'accepted' too")
        if self.corrected is None and not (self.accepted or self.rejected or self.candidates):
            raise ValueError("accepted: give 'accepted', 'rejected', 'corrected' or 'candidates'")
        return self
