# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Pure functions on arrays, each with a plain reference and faster implementations with the same API."""
