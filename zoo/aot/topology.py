# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Devices that need not be present: with the package libtpu, XLA compiles for a TPU that is only named.

libtpu reads its settings when it is loaded, once in a process. `environment` returns them; they must be in `os.environ`
before the first use of `devices`, or of any TPU. `devices` adds those that are missing and leaves the others alone.
"""

import importlib.metadata
import importlib.util
import math
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
from jax.experimental import topologies

from zoo.errors import ConfigError

NAMES = ("v5e:2x2", "v5p:2x2x1", "v6e:2x2", "tpu7x:2x2x1")
# The slices of at most two hosts or a cube that Google offers; larger ones of v4, v5p and TPU7x are of whole cubes of
# 4x4x4 (docs.cloud.google.com/tpu/docs, the page of each chip).
_FLAT = ("1x1", "2x2", "2x4", "4x4", "4x8", "8x8", "8x16", "16x16")
_SMALL = ("2x2x1", "2x2x2", "2x2x4", "2x4x4", "4x4x4")
_CUBES = ("4x4x8", "4x8x8", "8x8x8", "8x8x16", "8x16x16", "16x16x16")
SLICES = {chip: _FLAT for chip in ("v5e", "v6e")} | {chip: _SMALL + _CUBES for chip in ("v4", "v5p", "tpu7x")}
_SETTINGS = {
    "TPU_SKIP_MDS_QUERY": "1",  # asks no metadata server which machine this is
    "TPU_ACCELERATOR_TYPE": "v5e-8",  # any value; the name of the topology decides
    "TPU_WORKER_HOSTNAMES": "localhost",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",  # no lock file, which would let only one process compile at a time
}


def devices(name: str) -> list[Any]:
    """`jax.Device`s to compile for, such as `v5e:2x2` (a chip and the slice's shape) or `cpu:8`; nothing runs on TPUs.

    `v5e:16x16*2` are two slices, with a data-centre network between them.

    Raises:
      ConfigError: for an unknown name, a missing libtpu, or a process that has fewer CPU devices.
    """
    kind, _, size = name.partition(":")
    if kind == "cpu" and size.isdecimal() and int(size):
        return _cpus(int(size))
    found = re.fullmatch(r"((?:v\d+[ep]?|tpu7x):(\d+(?:x\d+){1,2}))(?:\*([1-9]\d*))?", name)
    if not found:
        known = ", ".join(NAMES)
        raise ConfigError(f"No topology {name!r}; it is a chip and the slice's shape, such as {known}, or cpu:8.")
    if not _is_offered(kind, found[2]):
        raise ConfigError(f"No topology {name!r} is offered; the nearest are {', '.join(nearest(name))}.")
    options: dict[str, Any] = {"num_slices": int(found[3])} if int(found[3] or 1) > 1 else {}
    if found[2] == "1x1":
        options["chips_per_host_bounds"] = [1, 1, 1]  # else a host has four
    for key, value in environment().items():
        os.environ.setdefault(key, value)
    try:
        return list(topologies.get_topology_desc(platform="tpu", topology_name=found[1], **options).devices)
    except jax.errors.JaxRuntimeError as error:
        known = ", ".join(nearest(name))
        raise ConfigError(f"libtpu does not know the topology {name!r}; try {known}. Its error: {error}") from error


def nearest(name: str, count: int = 3) -> list[str]:
    """Names of offered slices with about as many chips; of the same chip, if it is known."""
    kind, _, size = name.partition(":")
    chips = math.prod(int(part) for part in size.partition("*")[0].split("x") if part.isdecimal()) or 1
    if kind not in SLICES:
        kind = min(SLICES, key=lambda known: (known[:2] != kind[:2], known))
    found = sorted(SLICES[kind], key=lambda known: abs(math.log(math.prod(_lengths(known)) / chips)))
    return [f"{kind}:{known}" for known in found[:count]]


def within(name: str, chips: int | None) -> str:
    """A slice by its name, or the largest one of a chip within a budget; of equal ones, the first in the table.

    Args:
      name: a slice, or with a budget of chips the chip alone.

    Raises:
      ConfigError: a chip without known slices, a budget below the smallest slice, or a chip without a budget.
    """
    kind, _, shape = name.partition(":")
    if chips is None:
        if kind in SLICES and not shape:
            raise ConfigError(
                f"{kind} is a chip; name a slice, such as {kind}:{SLICES[kind][0]}, or give a budget of chips."
            )
        return name
    if shape:
        raise ConfigError(f"{kind}:{shape} is a slice already; give a slice, or a chip alone with a budget.")
    if kind not in SLICES:
        raise ConfigError(f"No slices of {kind!r} are known; choose one of {', '.join(SLICES)}.")
    fitting = [size for size in SLICES[kind] if math.prod(_lengths(size)) <= chips]
    if not fitting:
        raise ConfigError(f"The smallest slice is {kind}:{SLICES[kind][0]}; raise the budget of {chips} chips.")
    return f"{kind}:{max(fitting, key=lambda size: math.prod(_lengths(size)))}"


def chips(name: str) -> int:
    """How many chips a named topology has in all its slices."""
    size, _, slices = name.partition(":")[2].partition("*")
    return math.prod(_lengths(size)) * int(slices or 1)


def _is_offered(kind: str, size: str) -> bool:
    lengths = _lengths(size)
    is_cubes = len(lengths) == 3 and all(length % 4 == 0 for length in lengths)
    return size in SLICES.get(kind, ()) or (is_cubes and kind in SLICES and len(_lengths(SLICES[kind][0])) == 3)


def _lengths(size: str) -> list[int]:
    return [int(part) for part in size.split("x")]


def environment() -> Mapping[str, str]:
    """The variables that `os.environ` needs before libtpu is loaded.

    Raises:
      ConfigError: libtpu is not found.
    """
    return _SETTINGS | {"TPU_LIBRARY_PATH": str(library())}


def library() -> Path:
    """libtpu's file: at TPU_LIBRARY_PATH, in the installed package, or in `<sys.prefix>/libtpu`.

    The last is for machines without a TPU, where an installed libtpu makes every start of JAX look for one.
    """
    given = os.environ.get("TPU_LIBRARY_PATH")
    if given:
        if not Path(given).is_file():
            raise ConfigError(f"TPU_LIBRARY_PATH is {given}, which is not a file; unset it or correct it.")
        return Path(given)
    found = importlib.util.find_spec("libtpu")
    folders = [Path(folder) for folder in (found.submodule_search_locations or () if found else ())]
    for folder in (*folders, Path(sys.prefix, "libtpu", "libtpu")):
        if (folder / "libtpu.so").is_file():
            return folder / "libtpu.so"
    into = Path(sys.prefix, "libtpu")
    raise ConfigError(
        f"Compiling for a TPU needs libtpu, which is not installed. On a machine without a TPU: "
        f"pip install --no-deps --target {into} '{_wanted()}'; on one with a TPU: pip install 'jax[tpu]'."
    )


def _wanted() -> str:
    """The requirement that the installed JAX has for libtpu."""
    for line in importlib.metadata.requires("jax") or ():
        if line.startswith("libtpu"):
            return line.partition(";")[0].strip()
    return "libtpu"


def _cpus(count: int) -> list[Any]:
    found = jax.devices("cpu")
    if len(found) < count:
        raise ConfigError(
            f"cpu:{count} needs {count} CPU devices, and this process has {len(found)}; start it with "
            f"XLA_FLAGS=--xla_force_host_platform_device_count={count}."
        )
    return found[:count]
