# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Other people's checkpoints, both ways: one two-way table a family, one file a format. Hub names live only here."""
