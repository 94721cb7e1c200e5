# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The processes of a job on several hosts: who they are, what they agree on, and when one is lost."""
