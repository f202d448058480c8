import io
import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator

import pytest
import structlog
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from worker.telemetry.logging import RepeatFilter, configure


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    libraries = {name: logging.getLogger(name).level for name in ("aiokafka", "asyncio", "opentelemetry", "uvicorn")}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, library_level in libraries.items():
        logging.getLogger(name).setLevel(library_level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_level_time_and_fields() -> None:
    stream = io.StringIO()
    configure(stream=stream)
    structlog.get_logger("worker.kafka.consumer").info("partitions assigned", partitions=[0, 2])
    (line,) = lines(stream)
    assert line.pop("timestamp")
    assert line == {
        "event": "partitions assigned",
        "level": "info",
        "logger": "worker.kafka.consumer",
        "partitions": [0, 2],
    }


def test_records_of_other_libraries_come_out_in_the_same_form() -> None:
    stream = io.StringIO()
    configure(stream=stream)
    logging.getLogger("aiokafka.conn").warning("node %s is away", 1)
    (line,) = lines(stream)
    assert line["event"] == "node 1 is away"
    assert line["logger"] == "aiokafka.conn"
    assert line["level"] == "warning"


def test_on_a_terminal_it_is_for_people() -> None:
    stream = Terminal()
    configure(stream=stream)
    structlog.get_logger("worker").info("ready", partitions=3)
    with pytest.raises(json.JSONDecodeError):
        lines(stream)
    assert "ready" in stream.getvalue()


@pytest.mark.parametrize(("format", "stream"), [("console", io.StringIO()), ("json", Terminal())])
def test_the_format_can_be_forced(format: str, stream: io.StringIO) -> None:
    configure(format="console" if format == "console" else "json", stream=stream)
    structlog.get_logger("worker").info("ready")
    assert stream.getvalue().startswith("{") == (format == "json")


def test_the_level_holds_for_the_worker_and_for_libraries() -> None:
    stream = io.StringIO()
    configure(level="warning", stream=stream)
    structlog.get_logger("worker").info("quiet")
    logging.getLogger("some.library").info("quiet")
    logging.getLogger("some.library").warning("loud")
    assert [line["event"] for line in lines(stream)] == ["loud"]


def test_chatty_libraries_speak_from_warning_on() -> None:
    stream = io.StringIO()
    configure(level="debug", stream=stream)
    for name in ("aiokafka.consumer", "uvicorn.error"):
        logging.getLogger(name).info("Setting newly assigned partitions")
    assert lines(stream) == []


def test_an_unknown_level_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'loud' is unknown; use debug, info"):
        configure(level="loud", stream=io.StringIO())


def test_a_line_inside_a_span_names_it() -> None:
    stream = io.StringIO()
    configure(stream=stream)
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test")
    with tracer.start_as_current_span("work") as span:
        structlog.get_logger("worker").info("inside")
    context = span.get_span_context()
    (line,) = lines(stream)
    assert line["trace_id"] == trace.format_trace_id(context.trace_id)
    assert line["span_id"] == trace.format_span_id(context.span_id)


@pytest.mark.parametrize("format", ["json", "console"])
def test_a_traceback_shows_no_local_variables(format: str) -> None:
    stream = io.StringIO()
    configure(format="json" if format == "json" else "console", stream=stream)

    def fails(text: str) -> None:
        raise RuntimeError(f"{len(text)} characters")

    try:
        fails("my password is swordfish")
    except RuntimeError:
        structlog.get_logger("worker").exception("failed")
    assert "24 characters" in stream.getvalue()
    assert "fails" in stream.getvalue()
    assert "swordfish" not in stream.getvalue().replace('fails("my password is swordfish")', "")


def test_a_field_that_json_cannot_hold_does_not_lose_the_line() -> None:
    stream = io.StringIO()
    configure(stream=stream)
    log = structlog.get_logger("worker")
    log.info("odd", surrogate="\ud800", huge=2**70, object=object)
    (line,) = lines(stream)
    assert line["huge"] == 2**70


def test_warnings_of_python_are_logged() -> None:
    stream = io.StringIO()
    configure(stream=stream)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("going away", DeprecationWarning, stacklevel=1)
    assert "going away" in stream.getvalue()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def record(text: str, logger: str = "aiokafka", level: int = logging.ERROR) -> logging.LogRecord:
    return logging.LogRecord(logger, level, __file__, 1, text, None, None)


def test_a_repeated_complaint_is_said_once_and_then_counted() -> None:
    clock = Clock()
    once = RepeatFilter(repeat_seconds=60, clock=clock)
    assert once.filter(record("Unable connect to node with id 1: refused"))
    for node in (1, 2, 3):
        assert not once.filter(record(f"Unable connect to node with id {node}: refused"))
    clock.now = 61.0
    again = record("Unable connect to node with id 1: refused")
    assert once.filter(again)
    assert again.getMessage() == "Unable connect to node with id 1: refused (repeated 3 times)"
    clock.now = 122.0
    quiet = record("Unable connect to node with id 1: refused")
    assert once.filter(quiet)
    assert quiet.getMessage() == "Unable connect to node with id 1: refused"


def test_a_rebalance_that_goes_as_it_should_is_no_warning() -> None:
    stream = io.StringIO()
    configure(stream=stream)
    coordinator = logging.getLogger("aiokafka.consumer.group_coordinator")
    coordinator.warning("Heartbeat failed for group %s because it is rebalancing", "moderation")
    coordinator.warning("Heartbeat failed: local member_id was not recognized; resetting and re-joining group")
    structlog.get_logger("worker").warning("not joined because it is rebalancing")
    assert [str(line["event"]).split(":")[0] for line in lines(stream)] == [
        "Heartbeat failed",
        "not joined because it is rebalancing",
    ]


def test_lines_of_the_client_do_not_mix_with_what_a_command_prints(capfd: pytest.CaptureFixture[str]) -> None:
    code = "import logging; from worker.telemetry.logging import silence_client; silence_client();"
    code += "logging.getLogger('aiokafka.conn').error('raw'); logging.getLogger('other').error('shown')"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert capfd.readouterr() == ("", "shown\n")


def test_another_complaint_another_logger_or_another_level_is_said() -> None:
    once = RepeatFilter(clock=Clock())
    assert once.filter(record("refused"))
    assert once.filter(record("authentication failed"))
    assert once.filter(record("refused", logger="aiokafka.conn"))
    assert once.filter(record("refused", level=logging.WARNING))


def test_the_workers_own_lines_are_never_held_back() -> None:
    once = RepeatFilter(clock=Clock())
    assert all(once.filter(record("partition stopped", logger="worker.kafka.consumer")) for _ in range(3))


def test_a_thousand_kinds_of_complaint_do_not_fill_the_memory() -> None:
    once = RepeatFilter(clock=Clock())
    for kind in range(1000):
        assert once.filter(record("complaint " + "x" * kind))
    assert len(vars(once)["_said"]) == 256


def test_a_value_cannot_steer_the_terminal() -> None:
    stream = Terminal()
    configure(stream=stream, format="console")
    log = structlog.get_logger("worker.policies.watcher")
    log.error("policies refused", reason="label '\x1b[2Jx' stands twice", labels=["\x9b31m"])
    try:
        raise ValueError("\x1b]0;title\x07")
    except ValueError:
        log.exception("ended")
    written = stream.getvalue()
    assert "\\x1b[2Jx" in written
    assert "\\x9b31m" in written
    assert "\\x1b]0;title\\x07" in written
    assert "\x1b[2J" not in written
    assert "\x1b]0" not in written
    assert "ValueError" in written
