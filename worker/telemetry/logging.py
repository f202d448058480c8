"""Structured logs on one stream: JSON in production, readable on a terminal, other libraries' records included.

Text of messages never goes into a log; a traceback is written without local variables for that reason.
"""

import io
import json
import logging
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Literal, TextIO

import orjson
import structlog
from opentelemetry import trace
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from worker.telemetry.printable import printable, printable_values

LogFormat = Literal["auto", "json", "console"]

REPEAT_SECONDS = 300.0
"""How long the same complaint of a library is not repeated."""

ROUTINE = ("because it is rebalancing",)
"""What aiokafka warns of whenever a member comes or goes, and the group does as it should."""

_MAX_REMEMBERED = 256
_LIBRARY_LEVELS = {
    "aiokafka": logging.WARNING,
    "asyncio": logging.WARNING,
    "opentelemetry": logging.WARNING,
    "uvicorn": logging.WARNING,
}
_REPETITIVE_LIBRARIES = ("aiokafka", "opentelemetry", "uvicorn")
_DIGITS_TO_ZERO = str.maketrans("123456789", "000000000")


def configure(level: str = "info", format: LogFormat = "auto", stream: TextIO | None = None) -> None:
    """Send every log record of the process to one stream (default: standard output) and set what is worth a line.

    `format` auto is console on a terminal and JSON elsewhere. Raises ValueError on an unknown level.
    """
    out = sys.stdout if stream is None else stream
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"telemetry: log level {level!r} is unknown; use debug, info, warning or error")
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_trace_ids,
    ]
    console = format == "console" or (format == "auto" and out.isatty())
    handler = logging.StreamHandler(out)
    handler.addFilter(is_worth_a_line)
    handler.addFilter(RepeatFilter())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *(_console(out) if console else _json()),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for name, library_level in _LIBRARY_LEVELS.items():
        logging.getLogger(name).setLevel(max(library_level, number))
    logging.captureWarnings(True)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def add_trace_ids(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Processor: `trace_id` and `span_id` of the current span, where there is one."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event.setdefault("trace_id", f"{context.trace_id:032x}")
        event.setdefault("span_id", f"{context.span_id:016x}")
    return event


def is_worth_a_line(record: logging.LogRecord) -> bool:
    """Whether a library's line tells of something that is not as it should be; the worker's own always do."""
    return not record.name.startswith("aiokafka") or not record.getMessage().endswith(ROUTINE)


def silence_client() -> None:
    """Let the client's lines not reach the terminal of a command that says itself what they mean."""
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())


class RepeatFilter(logging.Filter):
    """Lets a library's complaint through once, then at most every `repeat_seconds`, saying how often it was repeated.

    A client that has lost its broker complains several times a second. Messages that differ only in digits (node id,
    port, correlation id) are the same complaint. The worker's own records always pass.
    """

    def __init__(self, repeat_seconds: float = REPEAT_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._repeat_seconds = repeat_seconds
        self._clock = clock
        self._said: OrderedDict[tuple[str, int, str], tuple[float, int]] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith(_REPETITIVE_LIBRARIES):
            return True
        complaint = (record.name, record.levelno, record.getMessage().translate(_DIGITS_TO_ZERO))
        now = self._clock()
        said_at, repeats = self._said.get(complaint, (-float("inf"), 0))
        if now - said_at < self._repeat_seconds:
            self._said[complaint] = (said_at, repeats + 1)
            return False
        self._said.pop(complaint, None)  # records come from several threads: move_to_end could miss its key
        self._said[complaint] = (now, 0)
        if len(self._said) > _MAX_REMEMBERED:
            self._said.popitem(last=False)
        if repeats:
            record.msg, record.args = f"{record.getMessage()} (repeated {repeats} times)", ()
        return True


def _json() -> list[Processor]:
    exceptions = structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
    return [exceptions, structlog.processors.JSONRenderer(serializer=_dumps)]


def _console(stream: TextIO) -> list[Processor]:
    return [
        _printable,
        structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=_plain_traceback, timestamp_key="timestamp"
        ),
    ]


def _plain_traceback(stream: TextIO, raised: ExcInfo) -> None:
    written = io.StringIO()
    structlog.dev.plain_traceback(written, raised)
    stream.write(printable(written.getvalue()))


def _printable(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return printable_values(event)


def _dumps(event: EventDict, default: Callable[[Any], Any]) -> str:
    try:
        return orjson.dumps(event, default=default, option=orjson.OPT_NON_STR_KEYS).decode()
    except orjson.JSONEncodeError:  # lone surrogates, huge integers: a log line must never be the thing that fails
        return json.dumps(event, default=default)
