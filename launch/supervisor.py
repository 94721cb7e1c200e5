# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Starts a command as a child, and restarts it when it has crashed or lost a peer; each host has its own supervisor.

The children use the same rendezvous address as before. What a restart would not change ends the supervisor: an error
of the user (exit code 2), and SIGTERM or Ctrl-C, which are forwarded.
"""

import ctypes
import logging
import signal
import subprocess
import sys
import time
from pathlib import Path

_log = logging.getLogger("zoo.launch.supervisor")

_NO_RESTART = (0, 2, 128 + signal.SIGINT, 128 + signal.SIGTERM)  # exit codes; a peer may have received the signal
_PAUSE = 5.0  # seconds before a restart, in which the peers of the previous run end as well
_TICK = 0.1  # seconds


class Supervisor:
    """Gives up after `max_restarts` in a row without a new checkpoint in the workdir, of any seed."""

    def __init__(self, command: list[str], workdir: Path, max_restarts: int, pause: float = _PAUSE):
        self._command, self._workdir, self._max_restarts, self._pause = command, workdir, max_restarts, pause
        self._child: subprocess.Popen | None = None
        self._signal = 0

    def run(self) -> int:
        """Runs the command until it ends for good; returns its exit code, or 128 plus the number of a signal."""
        previous = {each: signal.signal(each, self._forward) for each in (signal.SIGTERM, signal.SIGINT)}
        try:
            return self._run()
        finally:
            for each, handler in previous.items():
                signal.signal(each, handler)

    def _run(self) -> int:
        tries, newest = 0, self._newest()
        while True:
            code = self._try()
            if self._signal or code in _NO_RESTART:
                return code
            before, newest = newest, self._newest()
            tries = tries + 1 if newest == before else 1
            if tries > self._max_restarts:
                _log.error("exit code %d; no new checkpoint after %d restarts: giving up", code, self._max_restarts)
                return code
            where = f"step {', '.join(map(str, newest.values()))}" if newest else "the start"
            _log.warning("exit code %d; restart %d of %d, from %s", code, tries, self._max_restarts, where)
            if self._sleep():
                return 128 + self._signal

    def _try(self) -> int:
        # In a session of its own, so that a terminal's Ctrl-C arrives once, through this process.
        self._child = subprocess.Popen(self._command, start_new_session=True, preexec_fn=_die_with_parent)
        if self._signal:  # while it started
            self._child.send_signal(self._signal)
        code = self._child.wait()
        return code if code >= 0 else 128 - code

    def _sleep(self) -> int:
        """Pauses; returns the number of a signal that arrived meanwhile, or 0."""
        end = time.monotonic() + self._pause
        while time.monotonic() < end and not self._signal:
            time.sleep(_TICK)
        return self._signal

    def _forward(self, number: int, _) -> None:
        self._signal = number
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(number)

    def _newest(self) -> dict[str, int]:
        """The last complete checkpoint's step, of each seed that has one, from the names of the folders alone."""
        found: dict[str, int] = {}
        for pattern in ("checkpoints/*", "seed-*/checkpoints/*"):
            for path in sorted(self._workdir.glob(pattern)):
                if path.name.isdecimal():
                    folder = str(path.parent)
                    found[folder] = max(int(path.name), found.get(folder, 0))
        return found


def _die_with_parent() -> None:
    """In the child: Linux kills it when the supervisor dies, in whatever way."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
