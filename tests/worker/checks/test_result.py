from worker.checks.result import CheckResult, Outcome


def test_only_a_failure_is_not_ok() -> None:
    by_outcome = {outcome: CheckResult("name", outcome, "detail").ok for outcome in Outcome}
    assert by_outcome == {Outcome.OK: True, Outcome.WARNING: True, Outcome.SKIPPED: True, Outcome.FAILED: False}
