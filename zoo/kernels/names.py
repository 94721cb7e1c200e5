# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The kernel options of a config, as types; importing them costs nothing."""

from typing import Literal

Implementation = Literal["reference", "xla", "pallas_tpu", "pallas_gpu", "cudnn"]
DropoutBits = Literal["fastest", "portable"]
