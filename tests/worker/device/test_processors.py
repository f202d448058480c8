from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.device.processors import Processors, processors, quota

V1 = "4:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n"
V2 = "0::/kubepods/pod1/container\n"


def tree(root: Path, cgroups: str, files: dict[str, str]) -> Path:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(cgroups)
    for name, content in files.items():
        file = root / "sys/fs/cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return root


@pytest.mark.parametrize(
    ("cgroups", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 0.5),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/\n", {}, None),
        (V2, {"kubepods/pod1/container/cpu.max": "150000 100000\n"}, 1.5),
        (V2, {"kubepods/pod1/container/cpu.max": "max 100000\n", "kubepods/pod1/cpu.max": "25000 50000\n"}, 0.5),
        (V2, {"kubepods/pod1/container/cpu.max": "100000 100000\n", "kubepods/cpu.max": "400000 100000\n"}, 1.0),
        (V2, {"cpu.max": "20000 100000\n"}, 0.2),
        (V2, {"unified/kubepods/cpu.max": "20000 100000\n"}, 0.2),
        (V1, {"cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "75000\n",
              "cpu,cpuacct/docker/abc/cpu.cfs_period_us": "100000\n"}, 0.75),
        (V1, {"cpu/docker/cpu.cfs_quota_us": "200000\n", "cpu/docker/cpu.cfs_period_us": "100000\n"}, 2.0),
        (V1, {"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0.5),
        (V1, {"cpu/docker/abc/cpu.cfs_quota_us": "-1\n", "cpu/docker/abc/cpu.cfs_period_us": "100000\n"}, None),
        (V1 + "0::/\n", {"cpu/docker/abc/cpu.cfs_quota_us": "30000\n", "cpu/docker/abc/cpu.cfs_period_us": "100000\n",
                         "unified/cpu.max": "90000 100000\n"}, 0.3),
        ("0::/\n", {"cpu.max": ""}, None),
        ("0::/\n", {"cpu.max": "50000 0\n"}, None),
    ],
)  # fmt: skip
def test_the_tightest_quota_of_any_cgroup_around_the_process_counts(
    tmp_path: Path, cgroups: str, files: dict[str, str], expected: float | None
) -> None:
    assert quota(tree(tmp_path, cgroups, files)) == expected


def test_a_machine_without_cgroups_has_no_quota(tmp_path: Path) -> None:
    assert quota(tmp_path) is None


def test_this_process_may_use_at_least_a_part_of_a_processor() -> None:
    found = processors()
    assert 0 < found.usable <= found.affinity <= found.machine


@pytest.mark.parametrize(
    ("found", "threads"),
    [
        (Processors(2, 2), 2),
        (Processors(2, 2, 0.5), 1),
        (Processors(64, 64, 1.9), 1),
        (Processors(64, 64, 4.0), 4),
        (Processors(64, 3), 3),
        (Processors(64, 64, 100.0), 64),
        (Processors(8, 2, 4.0), 2),
    ],
)
def test_threads_follow_quota_and_affinity(found: Processors, threads: int) -> None:
    assert found.threads == threads


@given(st.integers(1, 512), st.floats(0.01, 1000))
def test_there_is_always_one_thread_and_never_more_than_are_paid_for(affinity: int, allowed: float) -> None:
    assert 1 <= Processors(512, affinity, allowed).threads <= max(1.0, min(affinity, allowed))


def test_what_was_found_is_said() -> None:
    assert str(Processors(2, 2)) == "2 of 2 processors"
    assert str(Processors(64, 8, 0.5)) == "0.5 of 64 processors, 8 by affinity, a CPU quota of 0.5 by cgroup"
