"""A contender on a scenario, and with which of its settings it takes part."""

from benchmarks.simulator.contenders import CONTENDERS
from benchmarks.simulator.engine import simulate
from benchmarks.simulator.outcome import Outcome, outcome
from benchmarks.simulator.scenarios import Scenario, poisson

TUNING_SECONDS = 6.0
TUNING_LOAD = 0.95


def run(contender: str, setting: str, scenario: Scenario) -> Outcome:
    """One contender with one setting on one scenario."""
    runs = []
    for seed in scenario.seeds:
        messages = scenario.workload.messages(scenario.device.offline_tokens_per_second, seed)
        policy = CONTENDERS[contender][setting](scenario.device)
        runs.append(simulate(policy, messages, scenario.device, seed))
    return outcome(runs, scenario.device)


def best_setting(contender: str, seconds: float = TUNING_SECONDS, tuning: Scenario | None = None) -> str:
    """The setting with most messages in time near saturation, on arrivals of their own unless others are given."""
    settings = list(CONTENDERS[contender])
    if len(settings) == 1:
        return settings[0]
    scenario = tuning or Scenario(poisson(TUNING_LOAD, seconds).workload, seeds=(11,))
    return max(settings, key=lambda setting: run(contender, setting, scenario).on_time_percent)
