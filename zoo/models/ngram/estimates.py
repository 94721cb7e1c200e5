# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The tables of an n-gram model: sorted integers, looked up for many n-grams at once."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64


class Estimate(NamedTuple):
    """Of the n-grams of one order, natural logarithms.

    Attributes:
      keys: see `zoo.models.ngram.counts.Level`; of unigrams the tokens themselves.
      log_probs: of the last token given the others; 0 for `<s>`.
      log_backoffs: of the n-gram as a context; 0 if nothing followed it. All 0 in the highest order.
    """

    keys: Int64[np.ndarray, "N"]
    log_probs: Float64[np.ndarray, "N"]
    log_backoffs: Float64[np.ndarray, "N"]

    def find(self, keys: Int64[np.ndarray, "T"]) -> Int64[np.ndarray, "T"]:
        """Where keys are in the table; -1 for those that are not, and for keys below 0."""
        if not len(self.keys):
            return np.full(len(keys), -1)
        found = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[found] == keys, found, -1)


def places(estimates: Sequence[Estimate], grams: Sequence[Int64[np.ndarray, "T"]]) -> Int64[np.ndarray, "T"]:
    """Where n-grams are in the table of their order; -1 for those that are not.

    Args:
      grams: the first tokens of all, the second tokens, and so on.
    """
    found, size = grams[0], len(estimates[0].keys)
    for estimate, tokens in zip(estimates[1:], grams[1:], strict=False):
        found = estimate.find(found * size + tokens)
    return found


def columns(estimates: Sequence[Estimate], rows: Int64[np.ndarray, "T"]) -> list[Int64[np.ndarray, "T"]]:
    """The inverse of `places` for the last of the orders: the tokens of n-grams, the first of all, the second, ..."""
    tokens, size = [], len(estimates[0].keys)
    for estimate in reversed(estimates[1:]):
        rows, last = np.divmod(estimate.keys[rows], size)
        tokens.append(last)
    return [rows, *reversed(tokens)]


def problem(estimates: Sequence[Estimate]) -> str:
    """What is wrong with tables that come from a file, or nothing."""
    size = below = len(estimates[0].keys)
    if not np.array_equal(estimates[0].keys, np.arange(size)):
        return "unigrams that are not all tokens in order"
    for order, estimate in enumerate(estimates, start=1):
        keys = estimate.keys
        if len(keys) and (
            keys[0] < 0 or keys[-1] >= (below * size if order > 1 else size) or (np.diff(keys) <= 0).any()
        ):
            return f"{order}-grams that are not in order"
        if np.isnan(estimate.log_probs).any() or (estimate.log_probs > 0).any():
            return f"a {order}-gram with a probability above 1"
        if np.isnan(estimate.log_backoffs).any() or (estimate.log_backoffs == np.inf).any():
            return f"a {order}-gram with a backoff weight that is not finite"
        below = len(keys)
    return ""
