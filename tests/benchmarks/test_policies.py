"""A short run of the policy benchmark: bounds that a worse batcher would not reach, and that it can be repeated."""

import json
from pathlib import Path

import pytest

from benchmarks.policies import (
    FLUID,
    Results,
    bound,
    figures,
    max_load,
    measure,
    plot,
    print_results,
)
from benchmarks.report import write_report
from benchmarks.simulator.contenders import OURS
from benchmarks.simulator.contest import run
from benchmarks.simulator.scenarios import FLOODING, poisson, scenarios


@pytest.fixture(scope="module")
def results() -> Results:
    return measure(seconds=2.0, contenders=(OURS, "tei_without_prefetch", "triton_reject"))


@pytest.mark.parametrize(("load", "percent"), [(0.80, 99.8), (0.90, 97.0), (1.20, 75.0)])
def test_most_messages_are_in_time_up_to_and_beyond_saturation(load: float, percent: float):
    assert run(OURS, "", poisson(load, 8.0)).on_time_percent >= percent


def test_bursts_are_ridden_out():
    assert run(OURS, "", scenarios(6.0)["0.80_bursty"]).on_time_percent >= 90.0


def test_good_tenants_stay_in_time_under_a_flood_and_the_flooding_one_is_still_served():
    shares = run(OURS, "", scenarios(12.0)["flood"]).on_time_percent_by_tenant
    good = [percent for tenant, percent in shares.items() if tenant != FLOODING]
    assert sum(good) / len(good) >= 97.0
    assert shares[FLOODING] >= 30.0


def test_it_carries_a_higher_load_in_time_than_first_in_first_out():
    ours, peer = max_load(OURS, "", 4.0), max_load("tei_without_prefetch", "16384 tokens", 4.0)
    assert ours >= 0.88
    assert ours > peer


def test_nothing_is_lost_by_anyone_and_only_those_that_say_so_drop(results: Results):
    for outcomes in results.outcomes.values():
        for contender, outcome in outcomes.items():
            assert outcome.lost == 0
            assert outcome.dropped_percent == 0.0 or contender == "triton_reject"


def test_no_policy_beats_a_scheduler_that_costs_nothing(results: Results):
    steady = [name for name in results.outcomes if name in ("0.80", "0.95", "1.00")]
    for name in steady:
        assert max(outcome.on_time_percent for outcome in results.outcomes[name].values()) <= results.bounds[name]
    assert results.max_loads[FLUID] >= max(load for name, load in results.max_loads.items() if name != FLUID)


def test_a_run_can_be_repeated():
    scenario = poisson(0.95, 2.0)
    assert run(OURS, "", scenario) == run(OURS, "", scenario)
    assert bound(scenario) == bound(scenario)


def test_the_report_holds_the_figures_of_all(results: Results, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "policies.json"
    write_report(file, figures(results), "python -m benchmarks.policies")
    report = json.loads(file.read_text())
    names = {"on_time_0.80", "on_time_0.95", "on_time_1.20", "on_time_0.80_bursty", "max_load_at_99_on_time", "lost"}
    assert names | {"good_tenants_on_time_under_flood"} <= report["figures"].keys()
    assert names <= report["figures"]["tei_without_prefetch"].keys()
    assert report["command"] == "python -m benchmarks.policies"
    assert report["machine"]["cores"] >= 1
    print_results(results)
    assert "highest load with 99% on time" in capsys.readouterr().out
    plot(results, tmp_path / "policies.png")
    assert (tmp_path / "policies.png").stat().st_size > 10_000
