# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A stamp by which a change of a file is noticed, without reading it."""

import os
from pathlib import Path


def stamp(path: Path) -> tuple[int, ...]:
    """Device, inode, size in bytes, and time of the last change in nanoseconds; () if it cannot be looked at."""
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
