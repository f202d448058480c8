"""Where reading a partition begins, or goes on when the log no longer has what comes next: pure."""

from dataclasses import dataclass
from typing import Literal

from worker.errors import OffsetLostError

Reset = Literal["earliest", "latest", "fail"]


@dataclass(frozen=True, slots=True)
class Log:
    """A partition as it is now: its first offset, and the one behind its last."""

    name: str
    beginning: int
    end: int


def start_offset(log: Log, committed: int | None, reset: Reset, group_id: str, *, added: bool = False) -> int:
    """The offset to begin at: the committed one if the log has it, else what the settings say.

    `added`: the group has read other partitions of the topic. One without an offset was added since, and nobody has
    seen its records: latest does not pass them over.

    Raises:
        OffsetLostError: `reset` is "fail" and there is no committed offset in the log.
    """
    if committed is not None and log.beginning <= committed <= log.end:
        return committed
    if reset != "fail":
        return log.beginning if reset == "earliest" or (committed is None and added) else log.end
    if committed is None:
        raise OffsetLostError(
            f"{log.name} has no committed offset for group {group_id!r}, and kafka.auto_offset_reset is 'fail': "
            "commit one, or set it to 'earliest' or 'latest'"
        )
    raise OffsetLostError(
        f"{log.name}: the committed offset {committed} is outside the log ({log.beginning}..{log.end}), and "
        "kafka.auto_offset_reset is 'fail': the topic was recreated or retention passed; reset the group"
    )


def next_offset(log: Log, position: int, reset: Reset) -> int:
    """The offset to go on at, for a reader at `position` whose fetch the broker refused as out of range.

    Raises:
        OffsetLostError: the log has become shorter than the position, or `reset` is "fail" and retention has passed it.
            Results of the old log are still in flight then; a process that starts anew has none.
    """
    if position > log.end:
        raise OffsetLostError(
            f"{log.name}: the next offset to read is {position}, and the log ends at {log.end}: the topic was made anew"
            " under this worker; started again it begins where kafka.auto_offset_reset says"
        )
    if position < log.beginning and reset == "fail":
        raise OffsetLostError(
            f"{log.name}: the next offset to read is {position}, and the log begins at {log.beginning}: retention has "
            "passed it, and kafka.auto_offset_reset is 'fail'; reset the group"
        )
    if position < log.beginning:
        return log.beginning if reset == "earliest" else log.end
    return position
