"""What a user may ask of the demo, and the plan that comes of it."""

from dataclasses import dataclass
from pathlib import Path

from worker.demo.messages import BURST_SHARE, Plan

PARTITIONS = 6
DEFAULT_SECONDS = 35.0
STEADY_UTILISATION = 0.5
LOWEST_RATE, HIGHEST_RATE = 5.0, 1000.0  # messages per second, where the user names no rate

_CONFIG, _WEIGHTS = "config.json", ("model.safetensors", "model.safetensors.index.json")


class OptionError(ValueError):
    """An option is out of range or contradicts another; the message names it and the fix."""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """Options of `gliclass-worker demo`; None means the demo's own choice."""

    messages: int | None = None
    rate: float | None = None  # messages per second of the steady flow
    seconds: float | None = None
    replicas: int = 1
    live: bool = True
    report: Path | None = None
    bootstrap_servers: str | None = None  # an existing Kafka, without authentication
    model: Path | None = None  # folder of a checkpoint; the starter when None
    seed: int = 0


def check_options(options: DemoOptions) -> None:
    """Raise OptionError on what cannot be."""
    for name in ("messages", "rate", "seconds"):
        value = getattr(options, name)
        if value is not None and value <= 0:
            raise OptionError(f"--{name} {value:g}: must be above 0")
    if None not in (options.messages, options.rate, options.seconds):
        raise OptionError("--messages, --rate and --seconds: give at most two of them, the third follows")
    if not 1 <= options.replicas <= PARTITIONS:
        raise OptionError(
            f"--replicas {options.replicas}: must be between 1 and {PARTITIONS}, the partitions of the input topic"
        )
    if options.model is not None:
        _check_model(options.model)


def plan_of(options: DemoOptions, capacity: float) -> Plan:
    """How many messages at which rate; `capacity` is what the workers were seen to do, in messages per second."""
    steady_share = 1 - BURST_SHARE
    if options.messages is None:
        rate = options.rate or _comfortable_rate(capacity)
        messages = max(1, round(rate * (options.seconds or DEFAULT_SECONDS) / steady_share))
        return Plan(messages, rate)
    if options.seconds is not None:
        return Plan(options.messages, options.messages * steady_share / options.seconds)
    return Plan(options.messages, options.rate or _comfortable_rate(capacity))


def pace_of(options: DemoOptions, plan: Plan, capacity: float) -> str:
    """How fast the demo sends, and why, in words for those who watch."""
    seen = f"the {capacity:.0f}/s that this machine can do"
    if options.rate is not None or (options.messages is not None and options.seconds is not None):
        return f"sends {plan.rate:.0f}/s, as asked, of {seen}"
    if plan.rate > capacity:
        return f"sends {plan.rate:.0f}/s, its least, of {seen}"
    return f"sends {plan.rate:.0f}/s, {plan.rate / capacity:.0%} of {seen}: room for a burst"


def _check_model(folder: Path) -> None:
    if not folder.is_dir():
        raise OptionError(f"--model {folder}: no such folder; leave the option out for the starter")
    weights = any((folder / name).is_file() for name in _WEIGHTS)
    if not weights or not (folder / _CONFIG).is_file():
        raise OptionError(f"--model {folder}: no checkpoint lies there: it needs {_CONFIG} and {_WEIGHTS[0]}")


def _comfortable_rate(capacity: float) -> float:
    """Leaves the workers idle for some of the time: how else would they catch up after the burst?"""
    return min(HIGHEST_RATE, max(LOWEST_RATE, round(capacity * STEADY_UTILISATION)))
