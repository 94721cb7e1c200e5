# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A package, so that pytest does not import the folder `launch` in here as the package `launch`."""
