# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""File formats of weights: one file each."""
