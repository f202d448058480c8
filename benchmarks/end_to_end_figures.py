"""What is made of the rounds of the end-to-end benchmark. Pure."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.kafka_systems import Appended

WORKER_PREFIXES = ("worker_", "two_workers_")


@dataclass(slots=True)
class Measured:
    """One round: by system, device tokens of real text a second and percent in time; by dtype, the offline maximum."""

    mean_tokens: float
    tokens_per_second: dict[str, float] = field(default_factory=dict)
    on_time_percent: dict[str, float] = field(default_factory=dict)
    offline: dict[str, float] = field(default_factory=dict)


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


def figures(rounds: Sequence[Measured], worker: str, best: str, two: str, best_dtype: str) -> dict[str, float]:
    """Medians over the rounds, and the range of each ratio; ratios are of the same round."""
    peers = [name for name in rounds[0].tokens_per_second if not name.startswith(WORKER_PREFIXES)]

    def best_peer(one: Measured) -> float:
        return max(one.tokens_per_second[name] for name in peers)

    ratios = {
        "worker_to_offline_maximum": [one.tokens_per_second[worker] / one.offline["float32"] for one in rounds],
        "worker_to_offline_maximum_best_dtype": [
            one.tokens_per_second[best] / one.offline[best_dtype] for one in rounds
        ],
        "best_peer_ratio_fp32": [one.tokens_per_second[worker] / best_peer(one) for one in rounds],
        "best_peer_ratio_best_dtype": [one.tokens_per_second[best] / best_peer(one) for one in rounds],
        "two_replicas_ratio": [one.tokens_per_second[two] / one.tokens_per_second[worker] for one in rounds],
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
    for dtype in rounds[0].offline:
        found[f"messages_per_second_offline_{dtype}"] = statistics.median(
            one.offline[dtype] / one.mean_tokens for one in rounds
        )
    return {name: round(value, 3) for name, value in found.items()}
