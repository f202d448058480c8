"""Two-level stop: finish what is in flight, or leave now."""

import asyncio
import faulthandler
import os
import signal
import sys
import threading

import structlog

from worker.errors import ExitStatus

log = structlog.get_logger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignal:
    """The first SIGTERM or SIGINT asks for a drain; the second, or the end of the budget, ends the process."""

    def __init__(self, budget_seconds: float) -> None:
        self._budget_seconds = budget_seconds
        self._requested = asyncio.Event()
        self._hard_exit: threading.Timer | None = None

    def install(self) -> None:
        """Take over SIGTERM and SIGINT of the running event loop."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self.request, signal.Signals(number).name)

    @property
    def is_requested(self) -> bool:
        return self._requested.is_set()

    async def requested(self) -> None:
        """Wait for the first stop request."""
        await self._requested.wait()

    def request(self, cause: str) -> None:
        """Ask for a drain; a second request leaves at once."""
        if self._requested.is_set():
            exit_hard(f"{cause} again", dump_stacks=False)
        log.info("stopping: draining what is in flight", cause=cause, budget_seconds=self._budget_seconds)
        self._requested.set()
        # A thread, because a blocked event loop or a busy device must not keep the process alive.
        self._hard_exit = threading.Timer(
            self._budget_seconds, exit_hard, ["the drain budget is spent"], {"dump_stacks": True}
        )
        self._hard_exit.daemon = True
        self._hard_exit.start()

    def close(self) -> None:
        """The worker has ended: nothing is left to be cut short, and signals are the process's own again."""
        if self._hard_exit is not None:
            self._hard_exit.cancel()
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.remove_signal_handler(number)


def exit_hard(cause: str, *, dump_stacks: bool) -> None:
    """End the process now, from any thread, with the stack of every thread on standard error if asked for."""
    log.error("stopping hard: unpublished records will be delivered again", cause=cause)
    if dump_stacks:
        faulthandler.dump_traceback(all_threads=True)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(ExitStatus.STOPPED_HARD)
