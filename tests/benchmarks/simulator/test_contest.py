from benchmarks.simulator.contenders import CONTENDERS
from benchmarks.simulator.contest import best_setting, run
from benchmarks.simulator.scenarios import poisson


def test_a_contender_with_several_settings_is_shown_with_its_best():
    tuned = best_setting("triton", seconds=1.0)
    tuning = poisson(0.95, 1.0)
    assert tuned in CONTENDERS["triton"]
    assert run("triton", tuned, tuning).on_time_percent >= run("triton", "32 messages", tuning).on_time_percent
