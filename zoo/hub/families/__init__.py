# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The families of the Hub: one file each, with its table of weights and its table of config fields."""
