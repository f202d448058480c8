import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.policies import NoModel, compiled_set

from schemas.policy import PolicyFile
from worker.errors import DeviceError
from worker.policies.compiled import CompileOptions, PolicySet, PolicyStore, compile_policies
from worker.policies.watcher import PolicyWatcher

FIRST = "tenants: {acme: {tasks: {topic: {mode: multi, labels: [a, b]}}}}"
SECOND = FIRST.replace("[a, b]", "[a, b, c]")


class Watched:
    """A watcher over a file, and what it did."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.path.write_text(FIRST)
        self.store = PolicyStore(compiled_set(FIRST))
        self.changes: list[tuple[PolicySet, PolicySet]] = []
        self.refusals: list[str] = []
        self.loads: list[PolicySet] = []
        self.in_two_parts = False
        self.failure: Exception | None = None
        self.watcher = PolicyWatcher(
            path,
            self.store,
            self.compile,
            0.01,
            lambda *sets: self.changes.append(sets),
            lambda: self.loads.append(self.store.current),
            self.refusals.append,
            FIRST.encode(),
        )

    async def compile(self, file: PolicyFile, previous: PolicySet) -> AsyncIterator[PolicySet]:
        whole = compile_policies(file, NoModel(), CompileOptions(), previous)
        if self.in_two_parts:
            yield previous.with_policies(list(whole.tenants.values())[:1])
        if self.failure is not None:
            raise self.failure
        yield whole

    async def looks(self, times: int = 2) -> list[bool]:
        return [await self.watcher.look() for _ in range(times)]

    @property
    def labels(self) -> tuple[str, ...]:
        return self.store.current.tenants["acme"].tasks[0].label_set.labels


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path / "policies.yaml")


async def test_an_unchanged_file_changes_nothing(watched: Watched) -> None:
    assert await watched.looks(3) == [False, False, False]
    assert watched.changes == []


async def test_a_changed_file_comes_into_force_once_it_has_settled(watched: Watched) -> None:
    before = watched.store.current
    watched.path.write_text(SECOND)
    assert await watched.looks(3) == [False, True, False]
    assert watched.labels == ("a", "b", "c")
    assert watched.changes == [(before, watched.store.current)]


async def test_a_file_that_is_still_being_written_is_left_alone(watched: Watched) -> None:
    for half in (FIRST + "\n#", FIRST + "\n##", FIRST + "\n###"):
        watched.path.write_text(half)
        assert await watched.looks(1) == [False]
    assert watched.changes == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("tenants: {acme: {tasks: {}}}", "tenants.acme.tasks: names no task"),
        ("tenants: [", "line 2"),
        ("", "must be a mapping of keys to values"),
        (FIRST.replace("labels", "lables"), "unknown key 'lables'; did you mean 'labels'?"),
    ],
)
async def test_a_bad_file_is_refused_with_its_reason_and_the_last_good_one_stays(
    watched: Watched, content: str, reason: str
) -> None:
    before = watched.store.current
    watched.path.write_text(content)
    assert await watched.looks(3) == [False, False, False]
    assert watched.store.current is before
    assert watched.watcher.last_error is not None
    assert reason in watched.watcher.last_error
    assert watched.refusals == [watched.watcher.last_error]


async def test_a_bad_file_that_is_put_right_is_forgotten(watched: Watched) -> None:
    watched.path.write_text("tenants: {}")
    await watched.looks()
    watched.path.write_text(FIRST)
    assert await watched.looks() == [False, True]
    assert watched.watcher.last_error is None


async def test_a_file_that_goes_away_and_returns_is_no_error_any_more(watched: Watched) -> None:
    watched.path.unlink()
    await watched.looks()
    assert watched.watcher.last_error == f"{watched.path}: cannot be read: No such file or directory"
    watched.path.write_text(FIRST)
    await watched.looks()
    assert watched.watcher.last_error is None
    assert watched.labels == ("a", "b")


async def test_a_model_that_fails_on_a_label_set_does_not_end_the_watching(watched: Watched) -> None:
    watched.failure = RuntimeError("out of memory")
    watched.path.write_text(SECOND)
    await watched.looks()
    assert watched.watcher.last_error is not None
    assert watched.watcher.last_error.endswith("the model failed on it: RuntimeError: out of memory")
    watched.failure = None
    watched.path.write_text(SECOND + "\n")
    assert await watched.looks() == [False, True]


async def test_a_link_that_is_swapped_is_seen(watched: Watched, tmp_path: Path) -> None:
    (tmp_path / "new").write_text(SECOND)
    watched.path.unlink()
    watched.path.symlink_to(tmp_path / "new")
    await watched.looks()
    assert watched.labels == ("a", "b", "c")


async def test_it_looks_until_it_is_cancelled(watched: Watched) -> None:
    watched.path.write_text(SECOND)
    running = asyncio.create_task(watched.watcher.run())
    while not watched.changes:
        await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


TWO = """
tenants:
  acme: {tasks: {topic: {mode: multi, labels: [x]}}}
  globex: {tasks: {topic: {mode: multi, labels: [y]}}}
"""


async def test_policies_come_into_force_one_after_the_other_and_are_loaded_once(watched: Watched) -> None:
    watched.in_two_parts = True
    watched.path.write_text(TWO)
    assert await watched.looks() == [False, True]
    assert [set(after.tenants) for _, after in watched.changes] == [{"acme"}, {"acme", "globex"}]
    assert watched.loads == [watched.store.current]


async def test_a_file_that_fails_half_way_leaves_all_of_the_last_good_one(watched: Watched) -> None:
    before = watched.store.current
    watched.in_two_parts, watched.failure = True, RuntimeError("out of memory")
    watched.path.write_text(TWO)
    assert await watched.looks() == [False, False]
    assert watched.store.current is before
    assert watched.loads == []
    assert "the model failed on it: RuntimeError" in watched.refusals[0]


async def test_a_broken_device_ends_the_watching_and_with_it_the_worker(watched: Watched) -> None:
    watched.failure = DeviceError("preparing label sets is not done after 30 s")
    watched.path.write_text(TWO)
    with pytest.raises(DeviceError):
        await watched.looks()
