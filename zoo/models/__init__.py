# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The families: one file each, with its published sizes, their source, and only what is special in it."""
