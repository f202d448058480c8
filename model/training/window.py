"""Rows against the model's window, before anything is learnt from them."""

from collections.abc import Callable, Sequence

from model.architectures import Tokenizers
from model.errors import LabelSetError
from model.gliclass import GliclassModel
from model.prompt import encode_text
from model.training.batches import LabelSets, prepare_label_sets
from model.training.data import TrainingExample
from model.training.errors import DataError

MOST_NAMED_ROWS = 5


def check_window(
    model: GliclassModel,
    tokenizers: Tokenizers,
    examples: Sequence[TrainingExample],
    report: Callable[[str], None],
) -> None:
    """Prepare every label set and tokenise every text once; say how many texts the window cuts.

    Raises:
        DataError: label sets that are malformed or leave no room for the text, with the rows they stand in.
    """
    prepared: LabelSets = {}
    refused: dict[str, str] = {}
    cut: list[int] = []
    for example in examples:
        key = example.label_set.key
        if key in refused:
            continue
        if key not in prepared:
            try:
                # Replaced, not added to: rows that each bring their own labels must not fill the memory.
                prepared = prepare_label_sets(model, tokenizers, [example], frozen=False)
            except LabelSetError as error:
                refused[key] = f"{example.where}: {error}" if example.where else str(error)
                continue
        encoded = encode_text(example.text, [prepared[key]], tokenizers.text, tokenizers.max_tokens)
        cut.append(encoded.truncated_token_count)
    if refused:
        lines = list(refused.values())
        more = [f"and {len(lines) - MOST_NAMED_ROWS} more label sets"] if len(lines) > MOST_NAMED_ROWS else []
        raise DataError("\n".join([*lines[:MOST_NAMED_ROWS], *more]))
    if longer := sum(1 for tokens in cut if tokens):
        report(
            f"{longer} of {len(cut)} texts do not fit the window of {tokenizers.max_tokens} tokens: what stands beyond "
            f"it is not learnt (up to {max(cut)} tokens of a text); --max-tokens widens it, as far as the model allows"
        )


def fitting(
    model: GliclassModel, tokenizers: Tokenizers, changed: TrainingExample, original: TrainingExample
) -> TrainingExample:
    """`changed`, or `original` where more or longer labels leave no room for the text."""
    if changed.label_set == original.label_set:
        return changed
    try:
        prepare_label_sets(model, tokenizers, [changed], frozen=False)
    except LabelSetError:
        return original
    return changed
