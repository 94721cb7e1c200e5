# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A staging directory: a folder is written next to its target and moved there when complete, or removed."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from zoo.errors import ConfigError


@contextlib.contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """An empty directory that becomes `folder` when the block ends, and is removed if the block raises.

    It is held by this process alone; the kernel drops the hold however the process dies, and the next one that stages
    the same folder clears what is left.

    Raises:
      ConfigError: another process is preparing the folder.
    """
    staging = folder.with_name(folder.name + ".partial")
    made = [parent for parent in staging.parents if not parent.exists()]
    staging.mkdir(parents=True, exist_ok=True)
    hold = os.open(staging, os.O_RDONLY)
    try:
        _lock(hold, staging, folder)
        try:
            _clear(staging)
            yield staging
            staging.replace(folder)
        except BaseException:  # an interrupt too
            shutil.rmtree(staging, ignore_errors=True)
            _remove_empty(made)
            raise
    finally:
        os.close(hold)


def _lock(hold: int, staging: Path, folder: Path) -> None:
    try:
        fcntl.flock(hold, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.stat(staging).st_ino == os.fstat(hold).st_ino:
            return
    except (BlockingIOError, FileNotFoundError):
        pass  # held, or moved away between our two looks at it
    raise ConfigError(f"Another process is preparing {folder}; wait for it, or choose another --data_dir.")


def _clear(staging: Path) -> None:
    for path in staging.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:  # innermost first
        with contextlib.suppress(OSError):
            folder.rmdir()
