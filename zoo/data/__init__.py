# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Text to batches: sources of documents, prepared folders, packed rows, and the Grain pipeline over them."""
