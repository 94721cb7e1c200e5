# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The choice of an implementation when none is requested: the first rule of a table that applies and can compute it."""

import functools
import logging
from collections.abc import Callable
from typing import NamedTuple

from zoo.kernels.names import Implementation
from zoo.kernels.platform import Platform

_log = logging.getLogger(__name__)


class Workload(NamedTuple):
    """The features of a call that the table chooses by; lengths in tokens."""

    queries: int
    keys: int
    dropout_rate: float


class Rule(NamedTuple):
    """The implementation for some calls on a platform, with the measurement behind it."""

    platform: Platform
    implementation: Implementation
    applies: Callable[[Workload], bool]
    because: str


def _always(call: Workload) -> bool:
    del call
    return True


TABLE = (
    Rule("cpu", "xla", _always, "zoo/kernels/attention/xla.py: 1.3 times faster than jax.nn's, and the only one"),
    Rule("tpu", "xla", lambda call: call.queries < 64, "a block has 128 queries, of which decoding would use one"),
    Rule(
        "tpu",
        "xla",
        lambda call: max(call.queries, call.keys) <= 128 and not call.dropout_rate,
        "benchmarks/records/tpu_static.md: on v5e 50k cycles, of which q, k, v and the output in HBM, which XLA can "
        "fetch meanwhile, take 46k (25 MB at 819 GB/s and 1.5 GHz)",
    ),
    Rule(
        "tpu",
        "pallas_tpu",
        _always,
        "benchmarks/records/tpu_static.md: no scores in HBM; splash has 1.6 to 2.6 times the bundles at 512 and 1,024",
    ),
    Rule("tpu", "xla", _always, "calls that the kernel cannot compute"),
    Rule(
        "gpu",
        "cudnn",
        lambda call: call.queries >= 64,
        "benchmarks/records/gpu.md: 1.5 to 7.4 times as fast as xla on an H200; pallas_gpu is faster where sequences "
        "hold several documents, but has run little: a step with it once ended in a launch failure, after a profile",
    ),
    Rule("gpu", "xla", _always, "calls that cuDNN cannot compute"),
)


def choose(call: Workload, platform: Platform, lacks: Callable[[Implementation], str | None]) -> Implementation:
    """The implementation for a call; `lacks` gives the reason why one cannot compute it."""
    for rule in TABLE:
        if rule.platform == platform and rule.applies(call):
            reason = lacks(rule.implementation)
            if reason is None:
                _log_choice(platform, rule.implementation)
                return rule.implementation
            _warn(rule.implementation, reason)
    return "xla"


@functools.cache
def _log_choice(platform: str, implementation: str) -> None:
    """Logs once per process."""
    if platform != "cpu":
        _log.info("attention on this %s runs as %s.", platform, implementation)


@functools.cache
def _warn(implementation: str, reason: str) -> None:
    _log.warning("attention does not run as %s. %s", implementation, reason)
