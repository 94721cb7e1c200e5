# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Batches: a Grain pipeline whose global batches are a function of the seed and the step alone.

An element of the pipeline is a whole batch: the order is arithmetic (`zoo.data.order`), the examples are read and
arranged a batch at a time, and random numbers are a function of (seed, step, row). Each process reads the rows of its
own shard and finds in them what any other process would find. Of packed examples, which need fewer rows, every process
lays out the whole global batch. The state of an iterator is the number of its next step, so that restoring any step
costs one batch; of examples that are drawn again in every pass, also what the pass takes to begin.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import grain
import numpy as np
from jaxtyping import Int64

from zoo.data import order
from zoo.data.batch_sizes import BatchSizes
from zoo.data.buckets import BucketedExamples
from zoo.data.packing import PackedExamples
from zoo.data.random import EVALUATION, TRAINING, Key
from zoo.data.schema import CONTINUES, Batch, Examples, Redrawn
from zoo.data.streams import StreamedExamples
from zoo.errors import ConfigError, InputError

Arrange = Callable[[Batch, Key], Batch]

_ENDLESS = 2**62  # steps


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shard:
    """The part of a global batch that this process reads: these of `count` equal, adjacent blocks of rows, in order."""

    blocks: tuple[int, ...] = (0,)
    count: int = 1

    def rows(self, batch_size: int) -> Int64[np.ndarray, "B"]:
        """The rows of the global batch that belong to this shard."""
        size = batch_size // self.count
        return (np.array(self.blocks, np.int64)[:, None] * size + np.arange(size)).reshape(-1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reading:
    """How far ahead a process reads: `batches` are kept ready by `threads`, which NumPy lets run side by side."""

    threads: int = 2
    batches: int = 4


def train_batches(
    examples: Examples,
    arrange: Arrange,
    *,
    batch_size: int,
    seed: int,
    shard: Shard = Shard(),
    micro_batches: int = 1,
    warmup_steps: int = 0,
    arrangements: int = 0,
    reading: Reading = Reading(),
) -> grain.IterDataset:
    """Endless batches of dicts of [B x blocks / count, ...]; every pass over the examples has an order of its own.

    Args:
      arrange: applied to the batch as it was read, with a key that depends on the seed and the step.
      batch_size: B, examples in a global batch; its rows, unless they are packed.
      micro_batches: into how many a step splits the rows of a shard; packed rows are filled up to be divisible.
      warmup_steps: over so many steps a batch grows from one micro-batch to all of them, in equal stages.
      arrangements: N, where the key depends on the example and on the pass modulo N instead of the step; examples
        that are drawn again in every pass are those of the pass modulo N, too.

    Raises:
      ConfigError: a batch that is not divisible among the processes or the directions of a text, or arrangements that
        repeat or a batch that grows, of packed, bucketed or streamed examples.
      InputError: fewer examples than rows in a batch.
    """
    _check(batch_size, seed, shard)
    if len(examples) < batch_size:
        raise InputError(
            f"batch_size is {batch_size}, but the training split has only {len(examples)} examples; lower batch_size, "
            "or data.seq_len where text is packed, or give more data."
        )
    if arrangements and isinstance(examples, PackedExamples | BucketedExamples | StreamedExamples):
        raise ConfigError(
            "objective.duplicates repeats masks of single examples in random order; set data.packing and buckets to 0, "
            "and data.order to 'shuffled'."
        )
    if warmup_steps and isinstance(examples, PackedExamples | BucketedExamples | StreamedExamples):
        raise ConfigError(
            "batch_warmup_steps lets batches grow, which those of packed, bucketed or streamed examples cannot; set "
            "data.packing and buckets to 0, and data.order to 'shuffled', or batch_warmup_steps to 0."
        )
    if isinstance(examples, StreamedExamples):
        examples.check_rows(batch_size)
    sizes = BatchSizes(full=batch_size)
    if warmup_steps and micro_batches > 1:
        sizes = dataclasses.replace(sizes, stages=micro_batches, steps=-(-warmup_steps // (micro_batches - 1)))
    batches = _Batches(examples, arrange, sizes, seed, shard, TRAINING, micro_batches, arrangements)
    return _read_ahead(_ENDLESS, batches, reading)


def evaluation_batches(
    examples: Examples,
    arrange: Arrange,
    *,
    batch_size: int,
    seed: int,
    num_batches: int = 0,
    shard: Shard = Shard(),
    reading: Reading = Reading(),
) -> grain.IterDataset:
    """One pass in order, the same at every evaluation; the last batch is filled up with rows of zeros (index -1).

    Args:
      num_batches: the pass ends after this many; 0 takes all examples.
    """
    _check(batch_size, seed, shard)
    total = -(-len(examples) // batch_size)
    if not total:
        raise InputError("The evaluation split has no examples; give more data, or a larger data.validation_fraction.")
    batches = _Batches(examples, arrange, BatchSizes(full=batch_size), seed, shard, EVALUATION)
    return _read_ahead(min(total, num_batches or total), batches, reading)


@dataclasses.dataclass(frozen=True)
class _Batches:
    """One process's rows of the global batch of any step."""

    examples: Examples
    arrange: Arrange
    sizes: BatchSizes
    seed: int
    shard: Shard
    stream: int
    micro_batches: int = 1
    arrangements: int = 0

    def __call__(self, step: int) -> Batch:
        indices = self._indices(step)
        if isinstance(self.examples, PackedExamples):
            indices = self.examples.layout(indices, multiple=self.shard.count * self.micro_batches)
        rows = self.shard.rows(len(indices))
        batch = self.examples.read(indices[rows], batch=indices)
        if isinstance(self.examples, StreamedExamples):
            before = self._indices(step - 1) if step else np.full_like(indices, -1)
            batch[CONTINUES] = self.examples.continues(before, indices)[rows].astype(np.float32)
        return self.arrange(batch, self._key(step, rows, indices))

    def _key(self, step: int, rows: np.ndarray, indices: np.ndarray) -> Key:
        if not self.arrangements:
            return Key(self.seed, self.stream, step, rows)
        passes = (self.sizes.before(step) + rows) // len(self.examples)
        # Of an index that holds the pass in its upper half, a key takes the lower one.
        return Key(self.seed, self.stream, 0, passes % self.arrangements * len(self.examples) + indices[rows])

    def _indices(self, step: int) -> Int64[np.ndarray, "B"]:
        """The examples of the global batch; -1 past the end of an evaluation."""
        if isinstance(self.examples, BucketedExamples):
            return self.examples.visited(step, self.sizes.full, self.seed)
        if isinstance(self.examples, StreamedExamples):
            is_training = self.stream == TRAINING
            size = self.sizes.full
            return self.examples.visited(step, size, self.seed) if is_training else self.examples.in_order(step, size)
        visits = self.sizes.before(step) + np.arange(self.sizes.at(step), dtype=np.int64)
        if self.stream == TRAINING:
            indices = order.visited(visits, len(self.examples), self.seed)
            examples = self.examples.examples if isinstance(self.examples, PackedExamples) else self.examples
            if isinstance(examples, Redrawn):
                passes = visits // len(examples)
                indices = examples.of_passes(indices, passes % (self.arrangements or _ENDLESS), self.seed)
            return indices
        return np.where(visits < len(self.examples), visits, -1)


def _read_ahead(steps: int, batches: _Batches, reading: Reading) -> grain.IterDataset:
    options = grain.ReadOptions(num_threads=reading.threads, prefetch_buffer_size=reading.batches)
    return grain.MapDataset.range(steps).map(batches).to_iter_dataset(options)


def _check(batch_size: int, seed: Any, shard: Shard) -> None:
    if not 0 <= seed < 2**32:
        raise ConfigError(f"seed must be between 0 and 2**32 - 1; found {seed}.")
    if not shard.blocks or not set(shard.blocks) <= set(range(shard.count)):
        raise ConfigError(f"blocks {shard.blocks} must be some of 0 to {shard.count - 1}.")
    if batch_size < 1 or batch_size % shard.count:
        raise ConfigError(f"batch_size {batch_size} is not divisible by {shard.count} blocks; change one of them.")
