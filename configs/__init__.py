# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Experiments, as lab notebooks: each file has a `get_config(variant)`."""
