# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of the Hub, in both directions: one table per family, one file per format. Hub names are only here."""
