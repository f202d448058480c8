"""`gliclass-worker dead-letters`: look at what could not be classified, and send it again."""

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.commands.inputs import ConfigOption
from worker.errors import DeadLetterToolError

if TYPE_CHECKING:
    from worker.replay.letters import Filter

dead_letters = typer.Typer(help="Look at what could not be classified, and send it again.", no_args_is_help=True)

ReasonOption = Annotated[list[str] | None, typer.Option("--reason", "-r", help="Only this reason; may be repeated.")]
TenantOption = Annotated[list[str] | None, typer.Option("--tenant", "-t", help="Only this tenant; may be repeated.")]
SinceOption = Annotated[datetime | None, typer.Option(help="Only those dead-lettered at or after this UTC time.")]
UntilOption = Annotated[datetime | None, typer.Option(help="Only those dead-lettered before this UTC time.")]


@dead_letters.command("list")
def list_counts(
    config: ConfigOption = None,
    reason: ReasonOption = None,
    tenant: TenantOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
) -> None:
    """Count dead letters by reason, tenant and hour."""
    from rich.console import Console
    from rich.table import Table

    from worker.config import load_settings
    from worker.replay.letters import read_dead_letters

    settings, wanted = load_settings(config), _filter(reason, tenant, since, until)
    counts: Counter[tuple[str, str, str]] = Counter()

    async def count() -> None:
        with _progress("reading") as progress:
            async for letter in read_dead_letters(settings.kafka, settings.output.dead_letter_topic, wanted, progress):
                hour = datetime.fromtimestamp(letter.at_ms / 1000, UTC).strftime("%Y-%m-%d %H:00")
                counts[letter.reason, letter.tenant or "-", hour] += 1

    _finish(count())
    table = Table("reason", "tenant", "hour (UTC)", "dead letters", title=settings.output.dead_letter_topic)
    for (each_reason, each_tenant, hour), number in sorted(counts.items()):
        table.add_row(each_reason, each_tenant, hour, str(number))
    console = Console()
    console.print(table)
    console.print(f"{counts.total()} in all")


@dead_letters.command()
def show(
    identifier: Annotated[str, typer.Argument(metavar="PARTITION-OFFSET", help="Where in the dead-letter topic.")],
    config: ConfigOption = None,
) -> None:
    """Print one dead letter as JSON, its text included."""
    from worker.config import load_settings
    from worker.replay.letters import Filter, read_dead_letters

    settings = load_settings(config)

    async def find() -> None:
        async for letter in read_dead_letters(settings.kafka, settings.output.dead_letter_topic, Filter()):
            if letter.id == identifier:
                typer.echo(letter.as_json().decode())
                return
        raise DeadLetterToolError(f"no dead letter at {identifier} in {settings.output.dead_letter_topic}")

    _finish(find())


@dead_letters.command()
def export(
    config: ConfigOption = None,
    to: Annotated[Path | None, typer.Option("--to", "-o", help="JSONL file; default: standard output.")] = None,
    reason: ReasonOption = None,
    tenant: TenantOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
) -> None:
    """Write dead letters as JSON lines, their texts included."""
    from worker.config import load_settings
    from worker.replay.letters import read_dead_letters

    settings, wanted = load_settings(config), _filter(reason, tenant, since, until)

    async def write() -> None:
        lines = to.open("wb") if to is not None else sys.stdout.buffer
        try:
            with _progress("exporting") as progress:
                topic = settings.output.dead_letter_topic
                async for letter in read_dead_letters(settings.kafka, topic, wanted, progress):
                    lines.write(letter.as_json() + b"\n")
            lines.flush()
        finally:
            if to is not None:
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
    rate: Annotated[float | None, typer.Option(min=0.01, help="Most records per second; default: no limit.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also those that were replayed before.")] = False,
) -> None:
    """Send dead letters to their input topic again, each once: a second run finds nothing left to do."""
    from worker.config import load_settings
    from worker.replay.replay import Replay

    settings, wanted = load_settings(config), _filter(reason, tenant, since, until)
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

    _finish(send())


def _filter(
    reasons: list[str] | None, tenants: list[str] | None, since: datetime | None, until: datetime | None
) -> "Filter":
    from schemas.records import DeadLetterReason
    from worker.replay.letters import Filter

    known = [str(reason) for reason in DeadLetterReason]
    for reason in reasons or ():
        if reason not in known:
            raise typer.BadParameter(f"--reason {reason}: is none of {', '.join(known)}")
    return Filter(frozenset(reasons or ()), frozenset(tenants or ()), _milliseconds(since), _milliseconds(until))


def _milliseconds(moment: datetime | None) -> int | None:
    if moment is None:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


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
    from worker.replay.letters import TOOL_ERRORS

    with connection_log() as connections:
        try:
            asyncio.run(work)
        except TOOL_ERRORS as error:
            reason = connections.failure or (str(error) or type(error).__name__)
            raise DeadLetterToolError(f"dead-letters: {reason}") from error
