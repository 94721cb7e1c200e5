# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""How much a model costs to compute."""
