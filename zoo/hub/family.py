# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What the hub side knows of a family, as one record that each file of `zoo.hub.families` declares."""

import dataclasses

from zoo.hub.config_fields import ConfigTable
from zoo.hub.table import Table


@dataclasses.dataclass(frozen=True)
class HubFamily:
    """A family's checkpoints.

    Attributes:
      name: its key in `zoo.models.registry`.
      config: the keys of its config.json. weights: the names of its tensors.
      in_transformers: whether Transformers has it; a checkpoint without `model_type` is none of the others.
    """

    name: str
    config: ConfigTable
    weights: Table
    in_transformers: bool = True
