"""`gliclass-worker run`: one worker, until it is told to stop."""

from worker.commands.ending import leave
from worker.commands.inputs import ConfigOption


def run(config: ConfigOption = None) -> None:
    """Run one worker: a member of the consumer group that classifies until SIGTERM.

    The first SIGTERM or Ctrl-C drains: what is in flight is scored, published and committed within
    delivery.drain_budget_seconds, then the process leaves the group and exits with status 0. A second one leaves at
    once: what was not published is delivered again.
    """
    import asyncio

    from worker.app import run_worker
    from worker.config import load_settings

    settings = load_settings(config)
    leave(asyncio.run(run_worker(settings)))
