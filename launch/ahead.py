# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Shared by the launchers that compile for devices that need not be present."""

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zoo.errors import ConfigError

_TICK_SECONDS = {True: 1.0, False: 30.0}  # by whether it is a terminal


def prepare(topology: str) -> None:
    """Settings that JAX reads when it starts: no accelerator is touched, and the compilation cache is off."""
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"
    kind, _, count = topology.partition(":")
    if kind == "cpu" and count.isdecimal():
        kept = [flag for flag in os.environ.get("XLA_FLAGS", "").split() if "host_platform_device_count" not in flag]
        os.environ["XLA_FLAGS"] = " ".join([*kept, f"--xla_force_host_platform_device_count={count}"])


def check_json(name: str | None) -> None:
    """Raises ConfigError for a file that cannot be written, before minutes are spent on its contents."""
    if not name:
        return
    path = Path(name)
    if not path.parent.is_dir():
        raise ConfigError(f"--json={name}: the folder {path.parent} does not exist; create it or choose another.")
    existed = path.exists()
    try:
        path.open("a").close()
    except OSError as error:
        raise ConfigError(f"--json={name} cannot be written ({error.strerror}); name another file.") from error
    if not existed:  # an empty file would look like a report if the run failed
        path.unlink()


def write_json(name: str | None, value: dict[str, Any]) -> None:
    """Writes the file, if one was requested."""
    if name:
        Path(name).write_text(json.dumps(value, indent=2) + "\n")


@contextlib.contextmanager
def progress(label: str) -> Iterator[None]:
    """A line on stderr with the time so far."""
    begin, done, is_terminal = time.monotonic(), threading.Event(), sys.stderr.isatty()

    def show() -> None:
        while not done.wait(_TICK_SECONDS[is_terminal]):
            passed = f"{label} ... {time.monotonic() - begin:.0f} s"
            print(
                f"\r{passed}" if is_terminal else passed, end="" if is_terminal else "\n", file=sys.stderr, flush=True
            )

    print(f"{label} ...", end="" if is_terminal else "\n", file=sys.stderr, flush=True)
    ticker = threading.Thread(target=show, daemon=True)
    ticker.start()
    try:
        yield
    finally:
        done.set()
        ticker.join()
        if is_terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
