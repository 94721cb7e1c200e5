# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""SHA-256 of the arrays of a checkpoint: what is read back is what was on the devices, or it is refused.

The formats below have no checksum of the arrays themselves: of the bits that flip in stored weights, nearly all come
back as other weights, without an error. A digest is of a part of an array, which is a shard where it was saved, so that
each process makes those of its own devices. Another mesh divides arrays elsewhere; a part that no process holds
as a whole is then read once more.
"""

import json
import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np

from zoo.errors import IntegrityError
from zoo.files import sha256_of_array, sha256_of_json
from zoo.multihost.processes import to_primary

# Of each array, by name: its dtype, and the SHA-256 of each part by the indices where it begins and ends.
Digests = dict[str, dict[str, Any]]

_SHOWN = 3  # arrays that an error names
_DIFFERS = "what is stored is not what was saved (its SHA-256 differs)"


def named(tree: Any) -> dict[str, Any]:
    """The leaves of a tree by the names of their places, such as `params.block.kernel`."""
    return {name_of(path): leaf for path, leaf in jax.tree.leaves_with_path(tree)}


def name_of(path: tuple) -> str:
    """The name of a leaf's place in a tree."""
    return jax.tree_util.keystr(path, simple=True, separator=".")


def digests_of(tree: Any) -> Digests:
    """Of all arrays, on the primary process; on the others nothing. All processes have to call it."""
    own = {
        name: (leaf, [s for s in leaf.addressable_shards if s.replica_id == 0]) for name, leaf in named(tree).items()
    }
    with ThreadPoolExecutor() as pool:  # hashlib lets other threads run
        parts = {
            name: {
                "dtype": str(leaf.dtype),
                "parts": {_key(s.index, leaf.shape): pool.submit(sha256_of_array, np.asarray(s.data)) for s in shards},
            }
            for name, (leaf, shards) in own.items()
        }
        for each in parts.values():
            each["parts"] = {key: future.result() for key, future in each["parts"].items()}
    found: Digests = {}
    for theirs in map(json.loads, to_primary("digests", json.dumps(parts))):
        for name, each in theirs.items():
            found.setdefault(name, {"dtype": each["dtype"], "parts": {}})["parts"].update(each["parts"])
    return found


def check(tree: Any, digests: Mapping[str, Any], read: Callable[[str], np.ndarray]) -> None:
    """Refuses a tree of which this process's part differs from what was saved.

    Args:
      digests: those of the whole tree when it was saved.
      read: a whole array from the storage by its name, in the dtype in which it was saved.

    Raises:
      IntegrityError: names arrays that differ, or that have no digest.
    """
    arrays = named(tree)
    unknown = [name for name, leaf in arrays.items() if not _covers(digests.get(name), leaf.shape)]
    if unknown:
        raise IntegrityError(f"SHA-256 digests are missing: {_listed(unknown)}")
    differing = [name for name, leaf in arrays.items() if not _is_same(leaf, digests[name], lambda n=name: read(n))]
    if differing:
        raise IntegrityError(f"{_DIFFERS}: {_listed(differing)}")


def check_json(name: str, value: Any, expected: str) -> None:
    """Refuses a value of which `sha256_of_json` is not as expected.

    Raises:
      IntegrityError: names it.
    """
    if sha256_of_json(value) != expected:
        raise IntegrityError(f"{_DIFFERS}: {name}")


def _is_same(leaf: jax.Array, digest: Mapping[str, Any], read: Callable[[], np.ndarray]) -> bool:
    parts = digest["parts"]
    shards = {_key(shard.index, leaf.shape): shard for shard in leaf.addressable_shards}
    is_kept = str(leaf.dtype) == digest["dtype"]
    if is_kept and shards.keys() <= parts.keys():
        return all(sha256_of_array(np.asarray(shard.data)) == parts[key] for key, shard in shards.items())
    whole = np.asarray(leaf) if is_kept and leaf.is_fully_addressable else read()
    if any(sha256_of_array(np.asarray(whole[_slices(key)])) != expected for key, expected in parts.items()):
        return False
    # What was read for this is not what the devices have got.
    return all(
        np.ascontiguousarray(whole[shard.index].astype(leaf.dtype)).tobytes() == np.asarray(shard.data).tobytes()
        for shard in shards.values()
    )


def _covers(digest: Any, shape: tuple[int, ...]) -> bool:
    """Whether there are digests of all elements; parts never overlap."""
    if digest is None:
        return False
    sizes = (math.prod(s.stop - s.start for s in _slices(key)) for key in digest["parts"])
    return sum(sizes) == math.prod(shape)


def _key(index: tuple[slice, ...], shape: tuple[int, ...]) -> str:
    bounds = (part.indices(size) for part, size in zip(index, shape, strict=True))
    return ",".join(f"{start}:{stop}" for start, stop, _ in bounds)


def _slices(key: str) -> tuple[slice, ...]:
    return tuple(slice(*map(int, part.split(":"))) for part in key.split(",") if part)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"
