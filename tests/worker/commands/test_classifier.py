import io

from rich.console import Console
from support.policies import policy_file

from model.scorer import Scorer
from schemas.records import DeadLetterReason
from worker.commands.classifier import flat_scores, show
from worker.content.text_classifier import Refused, TextClassifier

POLICY = """
tenants:
  shop:
    tasks:
      "[kind]": {mode: multi, labels: {"[red]": [billing, "[/red]"], plain: null}, threshold: 0.999}
      "best": {mode: single, labels: [only]}
"""


def _shown(scorer: Scorer, text: str, *, max_text_bytes: int = 1000) -> str:
    screen = io.StringIO()
    console = Console(file=screen, markup=False, emoji=False, highlight=False, width=100)
    (outcome,) = TextClassifier(scorer, policy_file(POLICY), "shop", max_text_bytes).classify([text])
    show(console, outcome)
    return screen.getvalue()


def test_every_label_is_shown_as_it_is_written_and_the_chosen_ones_are_marked(scorer: Scorer) -> None:
    shown = _shown(scorer, "some text")
    assert "[kind] (multi)" in shown
    assert "[red].billing" in shown
    assert "[red].[/red]" in shown
    marked = [line.split()[1] for line in shown.splitlines() if "✔" in line]
    assert marked == ["only"]
    assert "no label reached its threshold" in shown


def test_a_text_that_was_cut_or_mended_says_so(scorer: Scorer) -> None:
    assert "tokens of the text did not fit" in _shown(scorer, "word " * 5000, max_text_bytes=10**6)
    assert "1 halves of surrogate pairs were replaced" in _shown(scorer, "half \ud83d")


def test_a_dead_letter_is_shown_with_its_reason(scorer: Scorer) -> None:
    assert "a dead letter: text_too_large: the text has 1001 bytes" in _shown(scorer, "x" * 1001)
    screen = io.StringIO()
    show(Console(file=screen, markup=False), Refused(DeadLetterReason.MODEL_ERROR, "RuntimeError"))
    assert "a dead letter: model_error: RuntimeError" in screen.getvalue()


def test_scores_of_a_hierarchy_are_flat_under_full_names() -> None:
    assert flat_scores({"a": {"b": {"c": 0.1}, "d": 0.2}, "e": 1}) == {"a.b.c": 0.1, "a.d": 0.2, "e": 1.0}
