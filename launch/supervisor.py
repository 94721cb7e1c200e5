# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Starts a command as a child, and again when it has crashed or lost a peer; each host has a supervisor of its own.

The children meet at the same address as before. What a second try would meet again ends the supervisor too: an error of
the user's (exit code 2), and SIGTERM or Ctrl-C, which are passed on.
"""

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

_log = logging.getLogger("zoo.launch.supervisor")

_NO_SECOND_TRY = (0, 2, 128 + signal.SIGINT, 128 + signal.SIGTERM)  # exit codes; a peer may have got the signal
_PAUSE = 5.0  # seconds before a restart, in which the peers of the last try end too
_TICK = 0.1  # seconds


class Supervisor:
    """Gives up after `max_restarts` in a row that brought no new step in the folder `checkpoints`."""

    def __init__(self, command: list[str], checkpoints: Path, max_restarts: int, pause: float = _PAUSE):
        self._command, self._checkpoints, self._max_restarts, self._pause = command, checkpoints, max_restarts, pause
        self._child: subprocess.Popen | None = None
        self._told = 0

    def run(self) -> int:
        """Runs the command until it ends for good; returns its exit code, 128 and its number for a signal."""
        previous = {each: signal.signal(each, self._pass_on) for each in (signal.SIGTERM, signal.SIGINT)}
        try:
            return self._run()
        finally:
            for each, handler in previous.items():
                signal.signal(each, handler)

    def _run(self) -> int:
        tries, newest = 0, self._newest()
        while True:
            code = self._try()
            if self._told or code in _NO_SECOND_TRY:
                return code
            before, newest = newest, self._newest()
            tries = tries + 1 if newest == before else 1
            if tries > self._max_restarts:
                _log.error("exit code %d; %d restarts brought no new checkpoint: giving up", code, self._max_restarts)
                return code
            where = "the start" if newest is None else f"step {newest}"
            _log.warning("exit code %d; restart %d of %d, from %s", code, tries, self._max_restarts, where)
            if self._sleep():
                return 128 + self._told

    def _try(self) -> int:
        # A session of its own: a terminal's Ctrl-C comes once, through this process.
        self._child = subprocess.Popen(self._command, start_new_session=True, preexec_fn=_die_with_parent)
        if self._told:  # while it started
            self._child.send_signal(self._told)
        code = self._child.wait()
        return code if code >= 0 else 128 - code

    def _sleep(self) -> int:
        """Pauses; returns the number of a signal that came meanwhile, or 0."""
        end = time.monotonic() + self._pause
        while time.monotonic() < end and not self._told:
            time.sleep(_TICK)
        return self._told

    def _pass_on(self, number: int, _) -> None:
        self._told = number
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(number)

    def _newest(self) -> int | None:
        """The last step saved whole. Asks the names of the folders alone."""
        names = os.listdir(self._checkpoints) if self._checkpoints.is_dir() else []
        return max((int(name) for name in names if name.isdecimal()), default=None)


def _die_with_parent() -> None:
    """In the child: Linux kills it with the supervisor, however that dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
