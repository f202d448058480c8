"""What is made of the rounds of the end-to-end benchmark. Pure."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.kafka.systems import Appended

WORKER_PREFIXES = ("worker_", "two_workers_")
MOST_DRIFT = 0.10


@dataclass(slots=True)
class Measured:
    """One round: by system, device tokens of real text a second and percent in time; by worker, the offline maximum of
    its engine before and after its turn; and that of two engine processes at once."""

    mean_tokens: float
    tokens_per_second: dict[str, float] = field(default_factory=dict)
    on_time_percent: dict[str, float] = field(default_factory=dict)
    offline: dict[str, tuple[float, float]] = field(default_factory=dict)
    two_engines_tokens_per_second: float = 0.0

    def steady(self, worker: str) -> bool:
        """Whether the machine was the same before and after the worker's turn."""
        return max(self.offline[worker]) <= (1 + MOST_DRIFT) * min(self.offline[worker])

    def offline_maximum(self, worker: str) -> float:
        """Device tokens a second around the worker's turn."""
        return statistics.mean(self.offline[worker])


def tokens_per_second(appended: Sequence[Appended], token_counts: Sequence[int]) -> float:
    """Between the tenth and the ninetieth of a hundred results: neither start nor end counts.

    Results come in batches: the first instant's are what was done before it, so they are not counted, the last are.
    """
    ordered = sorted(appended, key=lambda one: one.at_ms)
    began_ms, ended_ms = ordered[len(ordered) // 10].at_ms, ordered[9 * len(ordered) // 10].at_ms
    tokens = sum(token_counts[one.place % len(token_counts)] for one in ordered if began_ms < one.at_ms <= ended_ms)
    if ended_ms <= began_ms:
        raise RuntimeError("the results came all at once: measure a longer backlog")
    return 1000 * tokens / (ended_ms - began_ms)


def figures(rounds: Sequence[Measured], worker: str, best: str, two: str) -> dict[str, float]:
    """Medians over the rounds, and the range of each ratio; ratios are of the same round.

    Raises RuntimeError when the machine was never steady around a worker's turns.
    """
    peers = [name for name in rounds[0].tokens_per_second if not name.startswith(WORKER_PREFIXES)]

    def best_peer(one: Measured) -> float:
        return max(one.tokens_per_second[name] for name in peers)

    steady, best_steady = ([one for one in rounds if one.steady(name)] for name in (worker, best))
    if not steady or not best_steady:
        raise RuntimeError("the machine drifted by over 10% in every round: run it again when it is idle")
    ratios = {
        "worker_to_offline_maximum": [one.tokens_per_second[worker] / one.offline_maximum(worker) for one in steady],
        "worker_to_offline_maximum_best_dtype": [
            one.tokens_per_second[best] / one.offline_maximum(best) for one in best_steady
        ],
        "best_peer_ratio_fp32": [one.tokens_per_second[worker] / best_peer(one) for one in rounds],
        "best_peer_ratio_best_dtype": [one.tokens_per_second[best] / best_peer(one) for one in rounds],
        "two_replicas_ratio": [one.tokens_per_second[two] / one.tokens_per_second[worker] for one in steady],
        "two_engines_ratio": [one.two_engines_tokens_per_second / one.offline_maximum(worker) for one in steady],
    }
    found: dict[str, float] = {}
    for name, values in ratios.items():
        found[name] = statistics.median(values)
        found[f"{name}_lowest"], found[f"{name}_highest"] = min(values), max(values)
    for name in rounds[0].tokens_per_second:
        found[f"messages_per_second_{name}"] = statistics.median(
            one.tokens_per_second[name] / one.mean_tokens for one in rounds
        )
        if shares := [one.on_time_percent[name] for one in rounds if name in one.on_time_percent]:
            found[f"on_time_{name}"] = statistics.median(shares)
    for name in (worker, best):
        found[f"messages_per_second_offline_{name}"] = statistics.median(
            one.offline_maximum(name) / one.mean_tokens for one in rounds
        )
    found["rounds"], found["steady_rounds"] = len(rounds), min(len(steady), len(best_steady))
    return {name: round(value, 3) for name, value in found.items()}
