# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Tokenizers: read from every vocabulary format of the families, or trained on a text."""
