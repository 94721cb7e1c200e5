# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A trace of a few steps, for xprof or TensorBoard's profiler: what each device and the host did, and when."""

import logging
from pathlib import Path
from typing import Any, NamedTuple

import jax

from zoo.errors import ConfigError

_log = logging.getLogger(__name__)

FOLDER = "profile"  # in the workdir


class Span(NamedTuple):
    """Steps of a job, the first step that it does being 1: `first`, and how many."""

    first: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Span | None":
        """From `FIRST:COUNT`; nothing from nothing.

        Raises:
          ConfigError: anything else.
        """
        if not text:
            return None
        first, _, count = text.partition(":")
        if not (first.isdecimal() and count.isdecimal() and int(first) and int(count)):
            raise ConfigError(f"--profile takes FIRST:COUNT steps, such as 10:3; found {text!r}.")
        return cls(int(first), int(count))


class Profile:
    """Starts and stops the trace. A context manager, which ends a trace that a signal has cut short."""

    def __init__(self, workdir: Path, span: Span | None):
        self.folder, self.span = workdir / FOLDER, span
        self._runs, self._steps = False, 0

    def __enter__(self) -> "Profile":
        return self

    def __exit__(self, *_) -> None:
        self._stop()
        if self.span is not None and not self._steps:
            _log.warning("no profile: the job ended before its step %d.", self.span.first)

    def before(self, number: int) -> None:
        """Before the job's step of that number is dispatched."""
        if self.span is not None and number == self.span.first:
            jax.profiler.start_trace(str(self.folder))
            self._runs = True

    def after(self, number: int, result: Any) -> None:
        """After it is; the last one is waited for."""
        self._steps += self._runs
        if self._runs and self.span is not None and number == self.span.first + self.span.count - 1:
            jax.block_until_ready(result)
            self._stop()

    def _stop(self) -> None:
        if self._runs:
            self._runs = False
            jax.profiler.stop_trace()
            _log.info("profile of %d steps: xprof --logdir=%s", self._steps, self.folder)
