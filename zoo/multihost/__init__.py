# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The processes of a multi-host job: rendezvous, agreement between them, and the detection of lost ones."""
