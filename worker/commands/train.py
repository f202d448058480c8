"""`gliclass-worker train`: better on your own labels, from labelled texts or from feedback."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from model.training.data import TrainingExample, check_trainable
from model.training.errors import DataError
from model.training.settings import PARTS, FeedbackSettings, LoraSettings, TrainingSettings
from worker.commands.inputs import (
    MAX_TOKENS,
    ROW_FORM,
    Candidates,
    IgnoreUnknownLabelsOption,
    LabelsFileOption,
    LabelsOption,
    MaxTokensOption,
    TaskOption,
    TenantOption,
    candidates,
    model_folder,
    read_all,
)
from worker.commands.outputs import output_folder, require_extra

if TYPE_CHECKING:
    from model.checkpoint import Checkpoint

DEFAULTS, FEEDBACK_DEFAULTS = TrainingSettings(), FeedbackSettings()


SUPERVISED_ONLY = ("accumulate", "gamma", "listwise", "negatives", "augment", "keep", "patience", "evaluate_every")
UNUSED_BY = {
    "--data": (),
    "--feedback": (
        *("labels", "labels_file", "policy", "tenant", "task", "ignore_unknown_labels"),
        *("dev", "knowledge"),
        *SUPERVISED_ONLY,
    ),
    "--trained projection": (
        *("dev", "knowledge", "epochs", "batch_size", "encoder_lr", "head_lr", "lora_rank", "dtype", "seed"),
        *SUPERVISED_ONLY,
    ),
}
"""What each way of training has no use for."""


def train(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder of the run; the trained checkpoint goes to OUT/model.")],
    data: Annotated[
        Path | None,
        typer.Option(help=f"JSONL, JSON or a set's folder. {ROW_FORM}"),
    ] = None,
    feedback: Annotated[
        Path | None,
        typer.Option(
            help="JSONL of people's answers; trains by PPO from them instead of from --data. A row is "
            """{"text": "…", "labels": ["a", "b"], "accepted": ["a"]}, or has "rejected", "corrected", "candidates". """
            "`gliclass-worker schema feedback` prints its JSON Schema."
        ),
    ] = None,
    dev: Annotated[
        Path | None,
        typer.Option(
            help="Development data (of a folder its test rows): the best weights on it, by macro-F1 over the labels "
            "that some text of it has, are kept."
        ),
    ] = None,
    labels: LabelsOption = None,
    labels_file: LabelsFileOption = None,
    policy: Annotated[
        Path | None, typer.Option("--policy", "-p", help="YAML file with the policies whose tasks the rows label.")
    ] = None,
    tenant: TenantOption = None,
    task: TaskOption = None,
    ignore_unknown_labels: IgnoreUnknownLabelsOption = False,
    knowledge: Annotated[Path | None, typer.Option(help="JSON list of {label, descriptions, synonyms}.")] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Checkpoint to start from; default: starter.")
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=f"Passes over the data; default: {DEFAULTS.epochs}, or {FEEDBACK_DEFAULTS.epochs} over feedback.",
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=f"Texts of one update; default: {DEFAULTS.batch_size}, "
            f"or {FEEDBACK_DEFAULTS.batch_size} texts of feedback.",
        ),
    ] = None,
    accumulate: Annotated[
        int, typer.Option(min=1, help="Batches whose gradients are summed before an update.")
    ] = DEFAULTS.accumulation_steps,
    encoder_lr: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help=f"Peak learning rate of the encoders (or of LoRA); default: {DEFAULTS.encoder_learning_rate}, "
            f"or {FEEDBACK_DEFAULTS.encoder_learning_rate} from feedback.",
        ),
    ] = None,
    head_lr: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help=f"Peak learning rate of projectors and scorer; default: {DEFAULTS.head_learning_rate}, "
            f"or {FEEDBACK_DEFAULTS.head_learning_rate} from feedback.",
        ),
    ] = None,
    trained: Annotated[
        str,
        typer.Option(
            help="all, labels (a bi-encoder's label tower), heads, or projection: a bi-encoder's text projection "
            "alone, in seconds, as far as cross-validation says the examples carry; it takes no options about epochs, "
            "rates, losses or --dev."
        ),
    ] = DEFAULTS.trained,
    lora_rank: Annotated[int, typer.Option(min=0, help="Rank of LoRA on the encoders; 0 trains them whole.")] = 0,
    keep: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the change that is kept in the end (WiSE-FT).")
    ] = DEFAULTS.kept_share,
    gamma: Annotated[float, typer.Option(min=0, help="Focal exponent; 0 for plain cross-entropy.")] = DEFAULTS.gamma,
    listwise: Annotated[
        float,
        typer.Option(
            min=0, help="Weight of a second loss, each true label against all false ones; helps large label sets."
        ),
    ] = DEFAULTS.listwise_weight,
    negatives: Annotated[
        int, typer.Option(min=0, help="Labels of other texts added to each text as false ones.")
    ] = DEFAULTS.in_batch_negatives,
    augment: Annotated[float, typer.Option(min=0, max=1, help="Probability of each augmentation of a text.")] = 0.0,
    patience: Annotated[
        int, typer.Option(min=0, help="Looks at --dev without a gain that end the run; 0 for never.")
    ] = DEFAULTS.patience,
    evaluate_every: Annotated[
        int, typer.Option(min=1, help="Updates between looks at --dev and checkpoints.")
    ] = DEFAULTS.evaluate_every,
    dtype: Annotated[
        str, typer.Option(help="float32, bfloat16, or auto: bfloat16 where the hardware has it.")
    ] = DEFAULTS.dtype,
    device: Annotated[str, typer.Option(help="auto (CUDA where there is one), cpu, cuda, cuda:1, …")] = "auto",
    max_tokens: MaxTokensOption = MAX_TOKENS,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of everything random.")] = DEFAULTS.seed,
) -> None:
    """Train a checkpoint; a run that was interrupted goes on where it was when called again with the same options.

    Writes OUT/model (the published format, loads everywhere), OUT/loss.png and, to go on from, OUT/run.safetensors.
    """
    if (data is None) == (feedback is None):
        raise typer.BadParameter("give either --data or --feedback")
    if trained not in (*PARTS, "projection"):
        raise DataError(f"--trained must be one of {', '.join(PARTS)} or projection, got {trained!r}")
    way = "--feedback" if feedback is not None else "--trained projection" if trained == "projection" else "--data"
    _refuse_unused(context, way)
    require_extra("train", "matplotlib", "train")
    lora = LoraSettings(rank=lora_rank, alpha=2 * lora_rank) if lora_rank else None
    if lora is not None:
        require_extra("--lora-rank", "peft", "train")
    options = {
        "epochs": epochs,
        "batch_size": batch_size,
        "encoder_learning_rate": encoder_lr,
        "head_learning_rate": head_lr,
    }
    shared = {name: value for name, value in options.items() if value is not None}
    shared |= {"trained": trained, "lora": lora, "dtype": dtype, "seed": seed}

    def loaded() -> "Checkpoint":
        from model.checkpoint import load_checkpoint
        from model.precision import choose_device

        output_folder("--out", out)
        checkpoint = load_checkpoint(model_folder(model), max_tokens=max_tokens)
        checkpoint.model.to(choose_device(device))
        return checkpoint

    def named() -> Candidates:
        return candidates(labels, labels_file, policy, tenant, task, ignore_unknown=ignore_unknown_labels)

    if feedback is not None:
        from model.training.feedback import read_feedback

        answers, settings = list(read_feedback(feedback)), replace(FEEDBACK_DEFAULTS, **shared)
        if not answers:
            raise DataError(f"{feedback}: holds no row")
        typer.echo(f"{len(answers)} answers; loading the model", err=True)
        from model.training.reinforcement import train_from_feedback

        answered = train_from_feedback(loaded(), answers, out, settings, report=typer.echo)
        folder, history, figure_name = answered.folder, answered.history, "mean reward"
    elif way == "--trained projection":
        rows = _rows(data, named())
        typer.echo(f"{len(rows)} examples; loading the model", err=True)
        from model.training.projection import train_projection

        fitted = train_projection(loaded(), rows, out, report=typer.echo)
        folder, history, figure_name = fitted.folder, fitted.history, ""
    else:
        from model.training.augmentation import Augmentation
        from model.training.data import read_label_knowledge, unused_knowledge

        source = named()
        rows, development = _rows(data, source), _development(dev, source)
        settings = replace(
            DEFAULTS,
            **shared,
            accumulation_steps=accumulate,
            gamma=gamma,
            listwise_weight=listwise,
            in_batch_negatives=negatives,
            augmentation=Augmentation(*[augment] * 5, shuffle=1.0),
            kept_share=keep,
            patience=patience,
            evaluate_every=evaluate_every,
        )
        known = read_label_knowledge(knowledge) if knowledge is not None else None
        for what in unused_knowledge(known or {}, rows).values():
            typer.echo(f"{knowledge}: {what}; its entry is not used", err=True)
        typer.echo(f"{len(rows)} examples; loading the model", err=True)
        from model.training.supervised import train as train_supervised

        result = train_supervised(
            loaded(), rows, out, settings, development=development, knowledge=known, report=typer.echo
        )
        folder, history, figure_name = result.folder, result.history, "macro-F1, development"
    from model.training.plots import loss_curve

    typer.echo(f"{folder}: use it with --model, or as model.path in the config")
    loss_curve(history, out / "loss.png", figure_name=figure_name)


def _refuse_unused(context: typer.Context, way: str) -> None:
    """An option that this way of training does not read would promise what does not happen."""
    for name in UNUSED_BY[way]:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise typer.BadParameter(f"--{name.replace('_', '-')}: {way} does not use it; leave it out")
    if context.params["patience"] and context.params["dev"] is None:
        raise typer.BadParameter("--patience: counts looks at --dev, which is not given")


def _rows(data: Path | None, source: Candidates) -> list[TrainingExample]:
    assert data is not None
    rows = read_all(data, source, "train")
    source.tell_left_out()
    check_trainable(rows)
    return rows


def _development(dev: Path | None, source: Candidates) -> list[TrainingExample]:
    """Rows of --dev, of a folder those of its test split; a file without any would end in weights nobody chose."""
    if dev is None:
        return []
    rows = read_all(dev, source, "test" if dev.is_dir() else None)
    if not rows:
        raise DataError(f"{dev}: the development data holds no row")
    return rows
