"""What ends a worker or a command for a reason that people can read: each error knows its exit status.

Whatever is not a `WorkerError`, an error of the model or of the Kafka client was not foreseen and is shown with its
stack.
"""

from enum import IntEnum


class ExitStatus(IntEnum):
    """What a process tells its orchestrator."""

    OK = 0
    FAILED = 1
    BAD_CONFIGURATION = 2
    """People have to correct a file, a variable or a topic before it is worth another start."""
    STOPPED_HARD = 70
    """A second signal, a spent drain budget or a standstill: unpublished records are delivered again."""
    INTERRUPTED = 130
    """Ctrl-C ended a demo before its end."""


class WorkerError(Exception):
    """An expected end. Its message says what to change."""

    exit_status = ExitStatus.FAILED


class ConfigurationError(WorkerError):
    """A file or variable that people wrote is wrong; `lines` name each place and its fix."""

    exit_status = ExitStatus.BAD_CONFIGURATION

    def __init__(self, source: str, lines: list[str]) -> None:
        super().__init__("\n".join(f"{source}: {line}" for line in lines))
        self.source = source
        self.lines = lines


class PolicyError(WorkerError):
    """Policies that this worker cannot serve; `lines` name each place in the file and its fix."""

    exit_status = ExitStatus.BAD_CONFIGURATION

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class MissingExporterError(WorkerError):
    """Traces are to be exported and the exporter's package is not installed."""

    exit_status = ExitStatus.BAD_CONFIGURATION


class AdminError(WorkerError):
    """The admin port cannot be served."""


class DeviceError(WorkerError):
    """The device can no longer be used by this process; a restart gives it a new one."""


class BrokerRefusalError(WorkerError):
    """The brokers refuse this client, and no waiting helps."""


class InstanceIdTakenError(WorkerError):
    """Another live process has this one's static group instance id."""


class AssignmentTimeoutError(WorkerError):
    """A new assignment could not be taken while the group still waits for this member."""


class OffsetLostError(WorkerError):
    """The offset to read from is not in the log, and guessing is not allowed or not safe."""


class FloodError(WorkerError):
    """So many records became dead letters that more than the records must be wrong."""


class DeadLetterToolError(WorkerError):
    """What was asked of the dead letters cannot be done; the message says why."""


class OutputError(WorkerError):
    """A result could not be written where it was wanted."""
