# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""How a model and its batches are sharded over a mesh of devices."""

from zoo.sharding import mesh, rules

__all__ = ["mesh", "rules"]
