"""`gliclass-worker check`, the part on scores: against the reference package, and against those of an earlier day."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from model.errors import ModelError
from model.verification.golden import Comparison, check_golden, save_golden
from model.verification.reference import compare_with_reference
from schemas.settings import ModelSettings
from worker.checks.result import CheckResult, Outcome
from worker.device.model import checkpoint_path, load_model

FLOAT32_PROBABILITY_LIMIT = 1e-4
REFERENCE, GOLDEN, NEW_GOLDEN = "scores against the gliclass package", "scores against the golden file", "golden file"


@dataclass(frozen=True, slots=True)
class ScoreChecks:
    """What to compare; each is left out when not asked for."""

    reference: bool = False
    golden: Path | None = None
    save_golden: Path | None = None

    @property
    def any(self) -> bool:
        return self.reference or self.golden is not None or self.save_golden is not None


def check_scores(settings: ModelSettings, checks: ScoreChecks) -> Iterator[CheckResult]:
    """Each comparison that is asked for, on texts and label sets that the package ships. Never raises for a bad score.

    The reference runs in float32, text by text, as it would alone; golden files are scored as this worker would.
    """
    if checks.reference:
        yield _compared(REFERENCE, FLOAT32_PROBABILITY_LIMIT, lambda: _with_reference(settings))
    if checks.golden is not None:
        limit = FLOAT32_PROBABILITY_LIMIT if settings.dtype == "float32" else settings.deviation_limit
        golden = checks.golden
        yield _compared(GOLDEN, limit, lambda: check_golden(load_model(settings), golden))
    if checks.save_golden is not None:
        try:
            cases = save_golden(load_model(settings), checks.save_golden)
        except (ModelError, OSError) as error:
            yield CheckResult(NEW_GOLDEN, Outcome.FAILED, str(error))
        else:
            yield CheckResult(NEW_GOLDEN, Outcome.OK, f"{cases} cases written to {checks.save_golden}")


def _with_reference(settings: ModelSettings) -> Comparison:
    path = checkpoint_path(settings)
    return compare_with_reference(path, max_tokens=settings.max_tokens, revision=settings.revision)


def _compared(name: str, limit: float, compare: Callable[[], Comparison]) -> CheckResult:
    try:
        comparison = compare()
    except ModelError as error:
        return CheckResult(name, Outcome.FAILED, str(error))
    detail = (
        f"{comparison.cases} cases: largest deviation {comparison.logit_deviation:.1e} of a logit, "
        f"{comparison.probability_deviation:.1e} of a probability ({comparison.worst_case})"
    )
    if comparison.skipped:
        detail += f"; left out: {'; '.join(comparison.skipped)}"
    if comparison.probability_deviation > limit:
        return CheckResult(name, Outcome.FAILED, f"{detail}: above {limit:g}; do not serve this checkpoint")
    return CheckResult(name, Outcome.OK, detail)
