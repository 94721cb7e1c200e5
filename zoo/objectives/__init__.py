# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Objectives: how examples are corrupted or arranged, what is trained, and its loss. None of them knows a family.

A new objective is a file with a subclass of `Objective`, and a row in `OBJECTIVES`.
"""

from zoo.objectives.causal_lm import CausalLM
from zoo.objectives.masked_lm import MaskedLM
from zoo.objectives.objective import Batch, Objective, Sums
from zoo.objectives.sequence_classification import SequenceClassification

OBJECTIVES: dict[str, type[Objective]] = {
    "clm": CausalLM,
    "mlm": MaskedLM,
    "sequence_classification": SequenceClassification,
}

__all__ = ["OBJECTIVES", "Batch", "CausalLM", "MaskedLM", "Objective", "SequenceClassification", "Sums"]
