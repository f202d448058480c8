"""`gliclass-worker dead-letters`: look at what could not be classified, and send it again."""

import asyncio
import sys
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from schemas.records import HEADER_ERROR, HEADER_ORIGINAL_TIMESTAMP_MS
from worker.commands.inputs import ConfigOption
from worker.commands.times import unix_milliseconds
from worker.errors import DeadLetterToolError

if TYPE_CHECKING:
    from worker.replay.letters import DeadLetter, Filter
    from worker.replay.replay import ReplayCounts

dead_letters = typer.Typer(help="Look at what could not be classified, and send it again.", no_args_is_help=True)

WIDTH_OF_NO_TERMINAL = 200

ReasonOption = Annotated[list[str] | None, typer.Option("--reason", "-r", help="Only this reason; may be repeated.")]
TenantOption = Annotated[list[str] | None, typer.Option("--tenant", "-t", help="Only this tenant; may be repeated.")]
SinceOption = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Only those dead-lettered since: 30m, 1h or 2d ago, or ISO 8601 in UTC."),
]
UntilOption = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Only those dead-lettered before: 30m, 1h or 2d ago, or ISO 8601 in UTC."),
]
IdOption = Annotated[
    list[str] | None, typer.Option("--id", help="Only this dead letter, as list and export name it; may be repeated.")
]


@dataclass(slots=True)
class _Group:
    """Dead letters of one reason, tenant and hour."""

    letters: int = 0
    replayed_before: int = 0
    newest: tuple[int, str] = (0, "")

    def add(self, letter: "DeadLetter") -> None:
        self.letters += 1
        self.replayed_before += letter.replays > 0
        self.newest = max(self.newest, (letter.at_ms, letter.id))


@dead_letters.command("list")
def list_counts(
    config: ConfigOption = None,
    reason: ReasonOption = None,
    tenant: TenantOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    ids: Annotated[bool, typer.Option("--ids", help="A line for each: id, time, reason, tenant, error.")] = False,
) -> None:
    """Count dead letters by reason, tenant and hour, each with the id of the newest."""
    from rich.table import Table

    from worker.commands.terminal import terminal
    from worker.config import load_settings
    from worker.replay.reading import read_dead_letters
    from worker.telemetry.printable import printable

    settings, wanted = load_settings(config), _filter(reason, tenant, since, until)
    groups: defaultdict[tuple[str, str, str], _Group] = defaultdict(_Group)

    async def read() -> None:
        with _progress("reading") as progress:
            async for letter in read_dead_letters(settings.kafka, settings.output.dead_letter_topic, wanted, progress):
                moment = datetime.fromtimestamp(letter.at_ms / 1000, UTC)
                hour = moment.strftime("%Y-%m-%d %H:00")
                groups[printable(letter.reason), printable(letter.tenant or "-"), hour].add(letter)
                if ids:
                    error = letter.headers.get(HEADER_ERROR, "")
                    words = (letter.id, f"{moment:%Y-%m-%dT%H:%M:%SZ}", letter.reason, letter.tenant or "-", error)
                    typer.echo("\t".join(" ".join(printable(word).split()) for word in words))

    _finish(read())
    console = terminal()
    if not console.is_terminal:
        console.width = WIDTH_OF_NO_TERMINAL
    total = sum(group.letters for group in groups.values())
    if not ids:
        table = Table("reason", "tenant", "hour (UTC)", "dead letters", title=settings.output.dead_letter_topic)
        table.add_column("replayed before", justify="right")
        table.add_column("the newest one's id", overflow="fold")
        for (each_reason, each_tenant, hour), group in sorted(groups.items()):
            numbers = str(group.letters), str(group.replayed_before)
            table.add_row(each_reason, each_tenant, hour, *numbers, group.newest[1])
        console.print(table)
        console.print(f"{total} in all")


@dead_letters.command()
def show(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="As list and export print it; or PARTITION-OFFSET.")],
    config: ConfigOption = None,
) -> None:
    """Print one dead letter as JSON, its text included."""
    from worker.config import load_settings
    from worker.replay.letters import Filter, place_of
    from worker.replay.reading import read_dead_letters

    settings = load_settings(config)
    topic = settings.output.dead_letter_topic
    place = place_of(identifier, topic)

    async def find() -> None:
        async for letter in read_dead_letters(settings.kafka, topic, Filter(places=frozenset({place}))):
            typer.echo(letter.as_json().decode())
            return
        raise DeadLetterToolError(f"no dead letter at {identifier} in {topic}")

    _finish(find())


@dead_letters.command()
def export(
    config: ConfigOption = None,
    to: Annotated[Path | None, typer.Option("--to", "-o", help="JSONL file; default: standard output.")] = None,
    reason: ReasonOption = None,
    tenant: TenantOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    identifiers: IdOption = None,
) -> None:
    """Write dead letters as JSON lines, their texts included."""
    from worker.commands.outputs import output_file
    from worker.config import load_settings
    from worker.replay.reading import read_dead_letters

    settings, target = load_settings(config), output_file("--to", to)
    wanted = _filter(reason, tenant, since, until, identifiers, settings.output.dead_letter_topic)

    async def write() -> None:
        lines = target.open("wb") if target is not None else sys.stdout.buffer
        try:
            with _progress("exporting") as progress:
                topic = settings.output.dead_letter_topic
                async for letter in read_dead_letters(settings.kafka, topic, wanted, progress):
                    lines.write(letter.as_json() + b"\n")
            lines.flush()
        finally:
            if target is not None:
                lines.close()

    _finish(write())


@dead_letters.command()
def replay(
    config: ConfigOption = None,
    to_topic: Annotated[str | None, typer.Option(help="Default: each to the topic it came from.")] = None,
    reason: ReasonOption = None,
    tenant: TenantOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    identifiers: IdOption = None,
    rate: Annotated[float | None, typer.Option(min=0.01, help="Most records per second; default: no limit.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also those that were replayed before.")] = False,
) -> None:
    """Send dead letters to their input topic again, each once.

    A record whose cause persists becomes a new dead letter, which the next run sends again: mend the cause first.
    """
    from worker.config import load_settings
    from worker.replay.replay import Replay

    settings = load_settings(config)
    wanted = _filter(reason, tenant, since, until, identifiers, settings.output.dead_letter_topic)
    work = Replay(
        settings.kafka,
        settings.output.dead_letter_topic,
        to_topic=to_topic,
        force=force,
        dry_run=dry_run,
        records_per_second=rate,
    )

    async def send() -> None:
        with _progress("replaying") as progress:
            counts = await work.run(wanted, progress)
        typer.echo(f"{'would replay' if dry_run else 'replayed'}: {counts.replayed}")
        for why, number in sorted(counts.skipped.items()):
            typer.echo(f"not replayed: {number} ({why})")
        for warning in _warnings(counts):
            typer.echo(f"warning: {warning}", err=True)

    _finish(send())


def _warnings(counts: "ReplayCounts") -> Iterator[str]:
    if counts.again:
        reasons = ", ".join(f"{number} {reason}" for reason, number in sorted(counts.again.items()))
        yield (
            f"{sum(counts.again.values())} were replayed before and became dead letters again ({reasons}), one of them "
            f"{counts.most_replays - 1} times: replaying helps once the cause is gone"
        )
    if counts.dated_now:
        yield (
            f"{counts.dated_now} have the time of this replay as their timestamp, since their topic refuses their own "
            f"or deletes it at once; it is in the header {HEADER_ORIGINAL_TIMESTAMP_MS}"
        )


def _filter(
    reasons: list[str] | None,
    tenants: list[str] | None,
    since: str | None,
    until: str | None,
    identifiers: Sequence[str] | None = None,
    topic: str = "",
) -> "Filter":
    from schemas.records import DeadLetterReason
    from worker.replay.letters import Filter, place_of

    known = [str(reason) for reason in DeadLetterReason]
    for reason in reasons or ():
        if reason not in known:
            raise typer.BadParameter(f"--reason {reason}: is none of {', '.join(known)}")
    since_ms, until_ms = _milliseconds("--since", since), _milliseconds("--until", until)
    if since_ms is not None and until_ms is not None and since_ms >= until_ms:
        raise typer.BadParameter(f"--since {since} is not before --until {until}: nothing lies between them")
    places = frozenset(place_of(each, topic) for each in identifiers or ())
    return Filter(frozenset(reasons or ()), frozenset(tenants or ()), since_ms, until_ms, places)


def _milliseconds(option: str, written: str | None) -> int | None:
    try:
        return None if written is None else unix_milliseconds(written, datetime.now(UTC))
    except ValueError as error:
        raise typer.BadParameter(f"{option}: {error}") from None


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, so that standard output stays data; nothing where that is no terminal."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _finish(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end; a failure that is the cluster's or the arguments' is told with its reason."""
    from worker.kafka.connection_log import connection_log
    from worker.replay.reading import TOOL_ERRORS

    with connection_log() as connections:
        try:
            asyncio.run(work)
        except TOOL_ERRORS as error:
            reason = connections.failure or (str(error) or type(error).__name__)
            raise DeadLetterToolError(f"dead-letters: {reason}") from error
