# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Attention kernels: one call, `attention`, one structured mask, and one file per implementation."""

from zoo.kernels.attention.api import IMPLEMENTATIONS as IMPLEMENTATIONS
from zoo.kernels.attention.api import attention as attention
from zoo.kernels.attention.call import Call as Call
from zoo.kernels.attention.mask import AttentionMask as AttentionMask
from zoo.kernels.attention.relative import Relative as Relative
from zoo.kernels.names import DropoutBits as DropoutBits
from zoo.kernels.names import Implementation as Implementation
