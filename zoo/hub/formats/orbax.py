# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A model as an Orbax checkpoint of its parameters, by our own names, with the config.json of a Hub folder.

Every process of a mesh writes and reads its own shards, so this is the form for models that fit no single machine.
"""

from pathlib import Path

import jax
import orbax.checkpoint as ocp
from flax import nnx

from zoo.errors import FormatError
from zoo.hub.weights import ORBAX as PARAMS


def write(model: nnx.Module, folder: Path) -> list[Path]:
    """Writes the parameters, which Orbax itself renames when they are complete: no file is left to rename."""
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save((folder / PARAMS).resolve(), nnx.to_pure_dict(nnx.state(model)))
    return []


def read(folder: Path, state: nnx.State, shardings: nnx.State | None) -> nnx.State:
    """The parameters in the shapes and dtypes of `state`, on the default device or by `shardings`.

    Raises:
      FormatError: the checkpoint is damaged, or of another model.
    """
    shapes = nnx.to_pure_dict(state)
    default = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    targets = jax.tree.map(lambda _: default, shapes) if shardings is None else nnx.to_pure_dict(shardings)
    like = jax.tree.map(lambda a, at: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=at), shapes, targets)
    try:
        with ocp.StandardCheckpointer() as checkpointer:
            values = checkpointer.restore((folder / PARAMS).resolve(), like)
    except Exception as error:  # Orbax raises whatever its storage layers raise
        raise FormatError(
            f"{folder / PARAMS} does not hold the model of its config.json: {str(error).strip().splitlines()[0]}"
        ) from error
    if shardings is None:  # like created parameters, not committed to a device; no copy is made
        values = jax.tree.map(lambda value: jax.device_put(value.addressable_data(0).__array__()), values)
    nnx.replace_by_pure_dict(state, values)
    return state
