# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Batches: a Grain pipeline whose global batches depend on the seed and the step alone.

Grain orders row numbers, not rows: each process then reads and transforms its own share of a global batch only. The
iterators have `get_state` and `set_state`, so that training resumes at the very batch.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import grain
import numpy as np
from absl import flags

from zoo.errors import ConfigError, InputError

Example = dict[str, np.ndarray]


@runtime_checkable
class Rows(Protocol):
    """Random access to rows, such as `zoo.data.pack.PackedRows`."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Example: ...


Transform = Callable[[Example, np.random.Generator], Example]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sharding:
    """Which share of a global batch this process reads: these of `count` equal, adjacent blocks of rows, in order."""

    blocks: tuple[int, ...] = (0,)
    count: int = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reading:
    """How far ahead a process reads: `threads`, `batches` kept ready, `workers` (processes; 0 reads in this one)."""

    threads: int = 2
    batches: int = 4
    workers: int = 0


def train_batches(
    rows: Rows,
    transform: Transform,
    *,
    batch_size: int,
    seed: int,
    sharding: Sharding = Sharding(),
    reading: Reading = Reading(),
) -> grain.IterDataset:
    """Endless batches of dicts of [B x blocks / count, ...]; every pass over the rows has an order of its own.

    Args:
      transform: applied to a row with a generator that depends on the seed and the row's visit.
      batch_size: B, rows in a global batch.

    Raises:
      ConfigError: a batch that the processes cannot share. InputError: fewer rows than a batch.
    """
    _check(batch_size, seed, sharding)
    if len(rows) < batch_size:
        raise InputError(
            f"the data has {len(rows)} rows, less than a batch of {batch_size}; lower batch_size or seq_len."
        )
    order = grain.MapDataset.range(len(rows)).seed(seed).shuffle().repeat().batch(batch_size)
    return _batches(order, _Gather(rows, transform, (seed, 0), batch_size, sharding), reading)


def evaluation_batches(
    rows: Rows,
    transform: Transform,
    *,
    batch_size: int,
    seed: int,
    num_batches: int = 0,
    sharding: Sharding = Sharding(),
    reading: Reading = Reading(),
) -> grain.IterDataset:
    """One pass in order, the same at every evaluation. The last batch is filled up with rows of zeros (segment 0).

    Args:
      num_batches: stop after this many; 0 takes all rows.
    """
    _check(batch_size, seed, sharding)
    total = -(-len(rows) // batch_size)
    if not total:
        raise InputError("the data to evaluate on has no rows; prepare more text or a larger validation_fraction.")
    order = grain.MapDataset.range(min(total, num_batches or total) * batch_size).batch(batch_size)
    return _batches(order, _Gather(rows, transform, (seed, 1), batch_size, sharding), reading)


@dataclasses.dataclass(frozen=True)
class _Gather:
    """Reads one process's rows of a global batch. Sent to worker processes, so it holds plain data."""

    rows: Rows
    transform: Transform
    key: tuple[int, int]
    batch_size: int
    sharding: Sharding

    def __call__(self, step: int, indices: np.ndarray) -> Example:
        size = self.batch_size // self.sharding.count
        places = [place for block in self.sharding.blocks for place in range(block * size, (block + 1) * size)]
        examples = [self._example(int(indices[place]), step * self.batch_size + place) for place in places]
        return {name: np.stack([example[name] for example in examples]) for name in examples[0]}

    def _example(self, index: int, visit: int) -> Example:
        row = self.rows[index] if index < len(self.rows) else {k: np.zeros_like(v) for k, v in self.rows[0].items()}
        return self.transform(row, np.random.default_rng((*self.key, visit)))


def _batches(order: grain.MapDataset, gather: _Gather, reading: Reading) -> grain.IterDataset:
    options = grain.ReadOptions(num_threads=reading.threads, prefetch_buffer_size=reading.batches)
    batches = order.map_with_index(gather).to_iter_dataset(options)
    if reading.workers:
        if not flags.FLAGS.is_parsed():  # Grain's workers read flags, which a notebook never parses
            flags.FLAGS.mark_as_parsed()
        return batches.mp_prefetch(grain.MultiprocessingOptions(num_workers=reading.workers))
    return batches


def _check(batch_size: int, seed: Any, sharding: Sharding) -> None:
    if not 0 <= seed < 2**32:
        raise ConfigError(f"seed must lie between 0 and 2**32 - 1; found {seed}.")
    if not sharding.blocks or not set(sharding.blocks) <= set(range(sharding.count)):
        raise ConfigError(f"blocks {sharding.blocks} must be some of 0 to {sharding.count - 1}.")
    if batch_size < 1 or batch_size % sharding.count:
        raise ConfigError(f"batch_size {batch_size} does not divide by {sharding.count} blocks; change one of them.")
