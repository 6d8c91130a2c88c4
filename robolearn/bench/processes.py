"""Processes of our own that a benchmark talks to: servers, hosts, learners."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from robolearn.core.errors import RobolearnError

VERBS = ("-m", "robolearn.cli.main")
BINDS = ("server.commands=tcp://127.0.0.1:*", "server.states=tcp://127.0.0.1:*")
"""Of a robot server: ports that are free."""
FIRST_LINE_S = 60.0
END_S = 10.0


class Process:
    """A Python process that says on its first line where it is reached; entered when it has.

    Args:
        words: Of `python`, such as `(*VERBS, "robot_server", "robot=mock")`.
        python: Which one.
        cwd: Where it runs; here, if None.

    Raises:
        RobolearnError: If it ends before it has said anything, or says nothing in time.
    """

    def __init__(self, words: Sequence[str], python: str = sys.executable, cwd: str | None = None) -> None:
        self._words = words
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.popen = subprocess.Popen(
            [python, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=cwd
        )
        self.log: list[str] = []
        """Lines of its standard error, as they come."""
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        self.address = self._first_line()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it is still there."""
        if self.popen.poll() is None:
            self.popen.send_signal(number)

    def rest(self) -> str:
        """Wait until it ends; return the last line that it has printed after the first, empty if there is none."""
        assert self.popen.stdout is not None
        lines = self.popen.stdout.read().splitlines()
        return lines[-1] if lines else ""

    def end(self) -> None:
        """End it, by force if it does not go; may be called twice."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            self.popen.wait(END_S)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        self._reader.join(END_S)

    def _first_line(self) -> str:
        assert self.popen.stdout is not None
        timer = threading.Timer(FIRST_LINE_S, self.popen.kill)
        timer.start()
        line = self.popen.stdout.readline()
        timer.cancel()
        if not line:
            self.popen.wait()
            self._reader.join(END_S)
            end = "".join(self.log)[-2000:]
            where = f"an address within {FIRST_LINE_S:.0f} s"
            raise RobolearnError(" ".join(self._words), expected=where, got=self.popen.returncode, fix=end)
        return line.strip()

    def _read_log(self) -> None:
        assert self.popen.stderr is not None
        self.log.extend(self.popen.stderr)


def free_addresses() -> tuple[str, str]:
    """Return two addresses that are free now, for servers that are to be found where they were when they are started again."""
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{one.getsockname()[1]}", f"tcp://127.0.0.1:{other.getsockname()[1]}"
