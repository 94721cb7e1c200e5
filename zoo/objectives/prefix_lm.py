# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Prefix language modelling (T5, arXiv:1910.10683, section 3.2.1): a decoder reads a prefix whole."""

import dataclasses
from typing import Any

import numpy as np

from zoo.data.ragged import begins
from zoo.data.random import Key
from zoo.objectives.causal_lm import CausalLM
from zoo.objectives.objective import Batch, Sums


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrefixLM(CausalLM):
    """A part of each document from its beginning is read in both directions, and each token after it is predicted.

    The length of the prefix is drawn uniformly, so that prefix and rest have one token at least, as in the authors'
    code (`random_prefix_noise_mask`). A document of one token is all prefix.
    """

    def arrange(self, batch: dict[str, np.ndarray], key: Key) -> dict[str, np.ndarray]:
        """Adds `prefix`, int32 [B, T], which is 1 at the tokens of the prefixes."""
        segments = batch["segments"]
        size = int(segments.max(initial=0)) + 1
        cells = np.arange(len(segments))[:, None] * size + segments  # a count for each segment, and one for padding
        lengths = np.bincount(cells.reshape(-1), minlength=len(segments) * size).reshape(len(segments), size)[:, 1:]
        prefixes = 1 + (key.uniform(size - 1) * np.maximum(lengths - 1, 0)).astype(np.int64)
        ends = np.pad(begins(lengths) + prefixes, ((0, 0), (1, 0)))
        inside = np.arange(segments.shape[1]) < np.take_along_axis(ends, segments, axis=1)  # padding ends at 0
        return {**batch, "prefix": inside.astype(np.int32)}

    def loss(self, module: Any, batch: Batch, *, dropout_key=None) -> Sums:
        return self._next_tokens(module, batch, prefix=batch["prefix"], dropout_key=dropout_key)
