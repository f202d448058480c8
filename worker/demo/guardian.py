"""Ends child processes and removes their folder, even when the parent itself is killed with SIGKILL.

This file is also the program of the guardian process: it reads the process groups to watch from its standard input and
acts when that ends, which the kernel sees to however the parent dies. Only the standard library is imported.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys


class Guardian:
    """Watches process groups and one folder; on `close`, or on the death of this process, ends and removes them.

    A watched process must lead its own process group (`subprocess.Popen(..., start_new_session=True)`).
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, os.fspath(directory)],
            stdin=subprocess.PIPE,
            text=True,
            bufsize=1,
            start_new_session=True,  # Ctrl-C in the terminal is for the parent, which closes in order
        )

    def watch(self, pid: int) -> None:
        self._tell(f"+{pid}")

    def unwatch(self, pid: int) -> None:
        """To be called once the process was waited for: its number may belong to another process from then on."""
        self._tell(f"-{pid}")

    def close(self) -> None:
        """SIGKILL to everything watched, remove the folder, wait until both are done. Safe to call twice."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
        self._process.wait()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")


def main(directory: str) -> None:
    groups: set[int] = set()
    for line in sys.stdin:
        if line.startswith("+"):
            groups.add(int(line[1:]))
        else:
            groups.discard(int(line[1:]))
    for group in groups:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])
