# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Objectives: what is hidden from the model, what it must say, and how well it said it. A task knows no family."""

from zoo.errors import ConfigError
from zoo.objectives.clm import CausalLM
from zoo.objectives.mlm import MaskedLM
from zoo.objectives.objective import Task

TASKS: dict[str, type[Task]] = {"clm": CausalLM, "mlm": MaskedLM}

__all__ = ["TASKS", "CausalLM", "MaskedLM", "Task", "find"]


def find(name: str) -> type[Task]:
    """The class of the task called `name`; an unknown name is a ConfigError."""
    if name not in TASKS:
        raise ConfigError(f"task.name is {name!r}; the tasks are {', '.join(sorted(TASKS))}.")
    return TASKS[name]
