# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The commands: `python -m launch.NAME`."""
