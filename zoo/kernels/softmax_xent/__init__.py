# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Cross entropy over a vocabulary, fused with the output projection: one call, with one file per implementation."""

from zoo.kernels.softmax_xent.api import IMPLEMENTATIONS as IMPLEMENTATIONS
from zoo.kernels.softmax_xent.api import Xent as Xent
from zoo.kernels.softmax_xent.api import softmax_xent as softmax_xent
