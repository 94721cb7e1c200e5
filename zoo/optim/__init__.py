# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Optimizers: the types that a config chooses from, schedules, rules by parameter and by layer, and the average.

`OPTIMIZERS` (`zoo.optim.optimizers`) has every type; a new one is a subclass of `OptimizerConfig` and a row there. They
know neither models nor objectives: a parameter is its name, shape and logical axes.
"""
