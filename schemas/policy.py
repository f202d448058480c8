"""Tenant policies: what a tenant's messages are classified into, how fast, and where the results go."""

from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from schemas.errors import unknown_name
from schemas.labels import Leaf, model_text, read_labels
from schemas.types import PlainName, PositiveSeconds, Probability, StrictModel, TopicName

ANY_LABEL = "*"


def _checked_labels(written: Any) -> Any:
    read_labels(written)
    return written


Labels = Annotated[list[Any] | dict[str, Any], BeforeValidator(_checked_labels)]


def _one_name_per_key(written: Any) -> Any:
    if isinstance(written, dict):
        for key in written:
            if not isinstance(key, str):
                raise ValueError(
                    f"name {key!r} is not a string (YAML read it as {type(key).__name__}): put it in quotes"
                )
    return written


NamedMapping = BeforeValidator(_one_name_per_key)


class Example(StrictModel):
    """A text with its true labels, shown to the model before the message (few-shot)."""

    text: str = Field(min_length=1)
    labels: list[str] = Field(min_length=1)

    @field_validator("text")
    @classmethod
    def _no_structure(cls, text: str) -> str:
        return model_text(text, "the example's text")


class Calibration(StrictModel):
    """Turns logits into honest probabilities: logit / temperature + bias, before sigmoid or softmax."""

    temperature: float = Field(default=1.0, ge=0.01, le=1000, allow_inf_nan=False)
    bias: float = Field(
        default=0.0, ge=-1000, le=1000, allow_inf_nan=False, description="Only for mode multi: a softmax cancels it."
    )


class Task(StrictModel):
    """One label set with its mode and thresholds."""

    mode: Literal["single", "multi"] = Field(
        description="single: the labels exclude each other (softmax); multi: each stands alone (sigmoid)."
    )
    labels: Labels = Field(
        description="A list of labels, a mapping label: description, or a hierarchy branch: [label, …] of any depth, "
        "whose leaves are named branch.label."
    )
    threshold: Probability | None = Field(
        default=None,
        description="Score that a label must reach to be chosen. Default 0.5 for multi, 0 for single (the best label "
        "always wins). When no label reaches its threshold the result says none.",
    )
    thresholds: Annotated[dict[str, Probability], NamedMapping] = Field(
        default_factory=dict, description="label: threshold, where one label needs its own."
    )
    labels_in_parts: bool = Field(
        default=False,
        description="Score labels that take more than half of the model's window in several passes of some of them "
        "each. Without it, labels that leave no room for a text are refused.",
    )
    prompt: str = Field(
        default="", description="An instruction before the text. It is glued to the text: end it with a space."
    )
    examples: list[Example] = Field(default_factory=list, description="Few-shot examples; bi-encoders ignore them.")
    scores: Literal["chosen", "all"] | None = Field(
        default=None, description="Publish the chosen labels' scores or every label's; default: output.scores."
    )
    calibration: Calibration = Calibration()

    @cached_property
    def leaves(self) -> tuple[Leaf, ...]:
        """The labels in their order, with path and description."""
        return read_labels(self.labels)

    @cached_property
    def label_names(self) -> tuple[str, ...]:
        return tuple(leaf.name for leaf in self.leaves)

    def threshold_of(self, label: str) -> float:
        """The score that `label` must reach."""
        default = self.threshold if self.threshold is not None else (0.5 if self.mode == "multi" else 0.0)
        return self.thresholds.get(label, default)

    @field_validator("prompt")
    @classmethod
    def _no_structure(cls, prompt: str) -> str:
        return model_text(prompt, "the prompt")

    @model_validator(mode="after")
    def _labels_exist(self) -> Self:
        known = set(self.label_names)
        for label in self.thresholds:
            if label not in known:
                raise ValueError(f"thresholds: {unknown_name('label', label, self.label_names)}")
        for number, example in enumerate(self.examples):
            for label in example.labels:
                if label not in known:
                    raise ValueError(f"examples.{number}.labels: {unknown_name('label', label, self.label_names)}")
        if self.mode == "single" and self.calibration.bias != 0:
            raise ValueError("calibration.bias: has no effect in mode single, where a softmax cancels it: remove it")
        return self


class Route(StrictModel):
    """Puts a copy of the output record on another topic when the task chooses the label."""

    task: str
    label: str = Field(description="A chosen label of the task, or * for any of them.")
    topic: TopicName


class LongText(StrictModel):
    """What the model reads of a text that is longer than its window."""

    mode: Literal["truncate", "head_tail", "windows"] = Field(
        default="truncate",
        description="truncate: the beginning; head_tail: the beginning and the end; windows: overlapping pieces, from "
        "the beginning on, up to max_windows.",
    )
    overlap_tokens: int | None = Field(default=None, ge=0, description="windows: tokens that neighbours share.")
    pool: Literal["max", "mean"] | None = Field(default=None, description="windows: how a label's scores are joined.")
    max_windows: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="windows: pieces of one text at most; what lies behind them is not read, and counted as truncated. "
        "Each costs as much as a text that fills the window.",
    )

    @model_validator(mode="after")
    def _only_for_windows(self) -> Self:
        if self.mode != "windows":
            for name in ("overlap_tokens", "pool", "max_windows"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{name}: only mode windows uses it; remove it or set mode: windows")
        return self


class TenantPolicy(StrictModel):
    """How one tenant's messages are classified."""

    latency_budget_seconds: PositiveSeconds = Field(
        default=1.0, description="From the record's time to its result; the batcher works towards it."
    )
    weight: float = Field(
        default=1.0, gt=0, le=1000, allow_inf_nan=False, description="Share of the device when tenants compete."
    )
    tasks: Annotated[dict[PlainName, Task], NamedMapping] = Field(description="name: task; at least one.")
    routes: list[Route] = Field(
        default_factory=list,
        description="Every topic that a route names for a record gets a copy; the output topic gets every record.",
    )
    on_late: Literal["score", "unscored", "dead_letter"] = Field(
        default="score", description="A message past its budget: score it anyway, let it through unscored, or neither."
    )
    long_text: LongText = LongText()

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        if not self.tasks:
            raise ValueError("tasks: names no task; a policy needs at least one")
        for number, route in enumerate(self.routes):
            task = self.tasks.get(route.task)
            if task is None:
                raise ValueError(f"routes.{number}.task: {unknown_name('task', route.task, self.tasks)}")
            if route.label != ANY_LABEL and route.label not in task.label_names:
                raise ValueError(f"routes.{number}.label: {unknown_name('label', route.label, task.label_names)}")
        return self


class PolicyFile(StrictModel):
    """All tenants' policies."""

    unknown_tenant: Literal["dead_letter", "default"] = Field(
        default="dead_letter", description="A tenant without a policy: dead letter, or the default policy below."
    )
    default: TenantPolicy | None = Field(default=None, description="The policy of unknown tenants.")
    tenants: Annotated[dict[PlainName, TenantPolicy], NamedMapping] = Field(
        default_factory=dict, description="tenant: policy"
    )

    @model_validator(mode="after")
    def _someone_is_served(self) -> Self:
        if self.unknown_tenant == "default" and self.default is None:
            raise ValueError("default: is required when unknown_tenant is default")
        if self.unknown_tenant == "dead_letter" and self.default is not None:
            raise ValueError("default: is never used while unknown_tenant is dead_letter; set unknown_tenant: default")
        if not self.tenants and self.default is None:
            raise ValueError("tenants: names no tenant; add one, or a default policy")
        return self
