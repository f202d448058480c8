"""How many processors this process may use: affinity and the CPU quotas of its cgroups, version 1 and 2."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True, slots=True)
class Processors:
    """What the machine has and what of it may be used.

    Attributes:
        machine: processors that are online.
        affinity: those of them that this process may run on.
        quota: the tightest CPU quota above it, in processors; None without one.
    """

    machine: int
    affinity: int
    quota: float | None = None

    @property
    def usable(self) -> float:
        """Processors' worth of time a second."""
        return float(self.affinity) if self.quota is None else min(float(self.affinity), self.quota)

    @property
    def threads(self) -> int:
        """Threads that can all run at once, at least one."""
        return max(1, int(self.usable))

    def __str__(self) -> str:
        parts = [f"{self.usable:g} of {self.machine} processors"]
        if self.affinity < self.machine:
            parts.append(f"{self.affinity} by affinity")
        if self.quota is not None:
            parts.append(f"a CPU quota of {self.quota:g} by cgroup")
        return ", ".join(parts)


def processors(root: Path = Path("/")) -> Processors:
    """What this process finds; `root` is where /proc and /sys are."""
    machine = os.cpu_count() or 1
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else machine
    return Processors(machine, affinity, quota(root))


def quota(root: Path) -> float | None:
    """The tightest CPU quota of the process's cgroup and those around it, in processors; None where there is none."""
    return min(_quotas(root), default=None)


def _quotas(root: Path) -> Iterator[float]:
    mounts = root / "sys/fs/cgroup"
    try:
        lines = (root / "proc/self/cgroup").read_text("utf-8", "replace").splitlines()
    except OSError:
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            for mount in (mounts, mounts / "unified"):
                yield from _found(_version_2(folder) for folder in _upwards(mount, path))
        elif "cpu" in controllers.split(","):
            for name in {controllers, "cpu"}:
                yield from _found(_version_1(folder) for folder in _upwards(mounts / name, path))


def _upwards(mount: Path, path: str) -> Iterator[Path]:
    """The cgroup and those around it. A container without a namespace of its own sees its group as the mount itself."""
    parts = PurePosixPath(path).parts[1:]
    for length in range(len(parts), -1, -1):
        yield mount.joinpath(*parts[:length])


def _found(quotas: Iterator[float | None]) -> Iterator[float]:
    return (quota for quota in quotas if quota is not None)


def _version_2(folder: Path) -> float | None:
    return _share(*_words(folder / "cpu.max", 2))


def _version_1(folder: Path) -> float | None:
    return _share(*_words(folder / "cpu.cfs_quota_us", 1), *_words(folder / "cpu.cfs_period_us", 1))


def _words(file: Path, count: int) -> list[str]:
    try:
        words = file.read_text("ascii", "replace").split()
    except OSError:
        return [""] * count
    return [*words[:count], *[""] * (count - len(words))]


def _share(allowed: str, period: str) -> float | None:
    """Microseconds of each period; `max` and -1 are no limit."""
    if not (allowed.isdigit() and period.isdigit() and int(period)):
        return None
    return int(allowed) / int(period)
