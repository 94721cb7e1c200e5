# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A process of a job that saves or restores, for test_checkpoint.py."""

import os
from pathlib import Path

from absl import flags

from launch import app, hosts

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the checkpoints.", required=True)
_DO = flags.DEFINE_enum("do", None, ["save", "refuse", "set_aside"], "Save steps 1 to 3, or restore.", required=True)
_SIZE = 8192  # numbers; Orbax writes a much smaller array into its index


def main(argv: list[str]) -> None:
    del argv
    with hosts.joined():
        from tests.train.counter import Counter
        from zoo.train.checkpoint import Checkpoints

        with Checkpoints(Path(_WORKDIR.value), 5) as checkpoints:
            if _DO.value == "save":
                save(checkpoints)
                return
            counter = Counter()
            kernel = checkpoints.restore(abstract(), counter, damaged=_DO.value).params["kernel"]
            part = kernel.addressable_shards[0].data
            print(f"place {counter.place}, {part.size} from {part[0]}")


def save(checkpoints) -> None:
    """Two steps; in the third process 1 dies."""
    import jax
    import orbax.checkpoint as ocp

    from tests.train.counter import Counter

    shardings = jax.tree.map(lambda leaf: leaf.sharding, abstract())
    create = jax.jit(state_at, static_argnums=0, out_shardings=shardings)
    for step in (1, 2):
        checkpoints.save(step, create(step), Counter(10 * step))
    checkpoints._manager.wait_until_finished()
    if jax.process_index() == 1:
        ocp.StandardCheckpointHandler.async_save = lambda *_, **__: os._exit(3)
    checkpoints.save(3, create(3), Counter(30))


def state_at(step: int):
    import jax.numpy as jnp

    from zoo.train.state import TrainState

    params = {"kernel": jnp.arange(float(_SIZE)) + step}
    return TrainState(jnp.int32(step), jnp.int32(0), params, {}, {}, jnp.zeros(2, "uint32"), {})


def abstract():
    """Half of the kernel in each process."""
    import jax
    from jax.sharding import NamedSharding, PartitionSpec

    from zoo.sharding.mesh import make_mesh

    mesh = make_mesh()

    def place(leaf):
        spec = PartitionSpec("data") if leaf.size == _SIZE else PartitionSpec()
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=NamedSharding(mesh, spec))

    return jax.tree.map(place, jax.eval_shape(lambda: state_at(0)))


if __name__ == "__main__":
    app.run(main)
