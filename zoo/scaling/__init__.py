# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Scaling laws: fits of loss against parameters, data and compute, with bootstrap intervals.

`runs` holds what was trained. `fit` fits a law of the loss, of which there are three: `parametric` (Chinchilla's third
approach), `kaplan`, and `repetition` (repeated data). `envelope` and `isoflop` are Chinchilla's first two approaches;
`power` fits power laws of anything else, such as the best learning rate. `plots` draws them. Training is the caller's.
"""
