# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The choice of an implementation when none is requested: the first row of a table that applies and lacks nothing."""

import functools
import logging
from collections.abc import Callable
from typing import NamedTuple

from zoo.kernels.names import Implementation
from zoo.kernels.platform import Platform

_log = logging.getLogger(__name__)


class Workload(NamedTuple):
    """What the table chooses by; lengths in tokens."""

    queries: int
    keys: int
    dropout_rate: float


class Row(NamedTuple):
    """On a platform, for the calls to which it applies, this implementation, because of a measurement."""

    platform: Platform
    implementation: Implementation
    applies: Callable[[Workload], bool]
    because: str


def _always(call: Workload) -> bool:
    del call
    return True


TABLE = (
    Row("cpu", "xla", _always, "zoo/kernels/attention/xla.py: 1.3 times faster than jax.nn's, and all there is"),
    Row("tpu", "xla", lambda call: call.queries < 64, "a block has 128 queries: decoding would fill one row in 128"),
    Row(
        "tpu",
        "xla",
        lambda call: max(call.queries, call.keys) <= 128 and not call.dropout_rate,
        "benchmarks/records/tpu_static.md: on v5e 50k cycles, of which q, k, v and the output in HBM, which XLA can "
        "fetch meanwhile, take 46k (25 MB at 819 GB/s and 1.5 GHz)",
    ),
    Row(
        "tpu",
        "pallas_tpu",
        _always,
        "benchmarks/records/tpu_static.md: no scores in HBM; splash has 1.6 to 2.6 times the bundles at 512 and 1,024",
    ),
    Row("tpu", "xla", _always, "what the kernel lacks"),
    Row(
        "gpu",
        "cudnn",
        lambda call: call.queries >= 64,
        "benchmarks/records/gpu.md: 1.5 to 7.4 times as fast as xla on an H200; pallas_gpu is faster where rows name "
        "documents, but has not run for long: a step with it once ended in a launch failure, if after a profile",
    ),
    Row("gpu", "xla", _always, "what cuDNN lacks"),
)


def choose(call: Workload, platform: Platform, lacks: Callable[[Implementation], str | None]) -> Implementation:
    """The implementation for a call; `lacks` gives the reason why one cannot compute it."""
    for row in TABLE:
        if row.platform == platform and row.applies(call):
            reason = lacks(row.implementation)
            if reason is None:
                _say(platform, row.implementation)
                return row.implementation
            _warn(row.implementation, reason)
    return "xla"


@functools.cache
def _say(platform: str, implementation: str) -> None:
    """Once a process."""
    if platform != "cpu":
        _log.info("attention on this %s runs as %s.", platform, implementation)


@functools.cache
def _warn(implementation: str, reason: str) -> None:
    _log.warning("attention does not run as %s. %s", implementation, reason)
