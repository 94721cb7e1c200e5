# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints whose bits flipped: refused, with the arrays' names, on whatever mesh they are restored."""

import json
import random
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from tests.train.counter import Counter
from zoo.errors import IntegrityError
from zoo.optim.chain import make_optimizer
from zoo.optim.optimizers import AdamW
from zoo.train.checkpoint import Checkpoints
from zoo.train.state import TrainState

SHARDINGS = {  # of the kernel, over 8 devices
    "one device": None,
    "rows": PartitionSpec(("x", "y"), None),
    "columns": PartitionSpec(None, ("x", "y")),
    "blocks": PartitionSpec("x", "y"),
    "replicated": PartitionSpec(None, None),
}


# When a read fails, Orbax closes its event loop before TensorStore has told it of the others.
_UNREAD = pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")


def state_of(sharding="one device", dtype=jnp.float32):
    """Of random numbers, which do not compress."""
    kernel = jnp.asarray(np.random.default_rng(0).standard_normal((64, 48)), dtype)
    optimizer = make_optimizer(AdamW(learning_rate=1e-3, warmup_steps=1), 10)
    state = TrainState.create({"block": {"kernel": kernel, "bias": jnp.ones(3)}}, {}, optimizer, seed=7)
    spec = SHARDINGS[sharding]
    if spec is None:
        return state
    mesh = Mesh(np.array(jax.devices()).reshape(2, 4), ("x", "y"))
    return jax.tree.map(
        lambda x: jax.device_put(x, NamedSharding(mesh, spec if x.shape == (64, 48) else PartitionSpec())), state
    )


def save(workdir, state, steps=(1,)):
    with Checkpoints(workdir, len(steps)) as checkpoints:
        for step in steps:
            checkpoints.save(step, state, Counter(10 * step))


def restore(workdir, like, counter=None, **options):
    with Checkpoints(workdir, keep=None) as checkpoints:
        return checkpoints.restore(like, counter or Counter(), **options)


def abstract(state):
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), state)


@pytest.fixture
def digests(tmp_path):
    """Reads the digests of step 1 and writes others."""
    path = tmp_path / "checkpoints" / "1" / "digests" / "metadata"

    def change(edit):
        found = json.loads(path.read_text())
        edit(found)
        path.write_text(json.dumps(found))

    return change


@pytest.mark.parametrize("then", SHARDINGS)
@pytest.mark.parametrize("first", SHARDINGS)
def test_any_mesh_restores_and_finds_the_array(tmp_path, digests, first, then):
    state, like = state_of(first), abstract(state_of(then))
    save(tmp_path, state)
    restored = restore(tmp_path, like)
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(restored), jax.device_get(state))
    assert restored.params["block"]["kernel"].sharding == like.params["block"]["kernel"].sharding
    parts = {"rows": 8, "columns": 8, "blocks": 8}.get(first, 1)

    def edit(found):
        kernel = found["state"]["params.block.kernel"]["parts"]
        assert len(kernel) == parts
        last = list(kernel)[-1]
        kernel[last] = kernel[last][::-1]

    digests(edit)
    with pytest.raises(IntegrityError, match=r"checkpoints/1 cannot .*SHA-256 differs\): params\.block\.kernel\. Del"):
        restore(tmp_path, like)


def test_in_another_dtype_it_is_that_of_the_file_which_is_checked(tmp_path, digests):
    """Numbers without a dimension too."""
    save(tmp_path, state_of()._replace(step=jnp.float32(3)))
    like = abstract(state_of("blocks", jnp.bfloat16))
    restored = restore(tmp_path, like)
    np.testing.assert_array_equal(
        restored.params["block"]["kernel"], state_of(dtype=jnp.bfloat16).params["block"]["kernel"]
    )
    digests(lambda found: found["state"]["params.block.kernel"]["parts"].update({"0:64,0:48": "0" * 64}))
    with pytest.raises(IntegrityError, match=r"differs\): params\.block\.kernel"):
        restore(tmp_path, like)


def test_the_arrays_of_another_step(tmp_path):
    """Whole files, in the wrong place."""
    save(tmp_path, state_of())
    other = state_of()._replace(params=jax.tree.map(lambda x: x + 1, state_of().params))
    save(tmp_path / "other", other)
    folder = tmp_path / "checkpoints" / "1"
    shutil.rmtree(folder / "state")
    shutil.copytree(tmp_path / "other" / "checkpoints" / "1" / "state", folder / "state")
    with pytest.raises(IntegrityError, match=r"differs\): params\.block\.bias, params\.block\.kernel\."):
        restore(tmp_path, abstract(state_of()))


def test_the_position_in_the_data(tmp_path):
    save(tmp_path, state_of())
    path = tmp_path / "checkpoints" / "1" / "data" / "metadata"
    path.write_text(path.read_text().replace("10", "11"))
    with pytest.raises(IntegrityError, match=r"differs\): the position in the data"):
        restore(tmp_path, abstract(state_of()))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda found: found["state"].pop("params.block.bias"), r"digests are missing: params\.block\.bias\."),
        (lambda found: found["state"]["params.block.kernel"]["parts"].pop("0:8,0:48"), "missing: params.block.kernel"),
    ],
)
def test_digests_that_are_gone(tmp_path, digests, edit, message):
    save(tmp_path, state_of("rows"))
    digests(edit)
    with pytest.raises(IntegrityError, match=message):
        restore(tmp_path, abstract(state_of()))


def test_without_digests_it_is_taken_on_request_only(tmp_path):
    save(tmp_path, state_of())
    shutil.rmtree(tmp_path / "checkpoints" / "1" / "digests")
    with pytest.raises(IntegrityError, match=r"has no SHA-256 digests.*--damaged_checkpoint=ignore"):
        restore(tmp_path, abstract(state_of()))
    restored = restore(tmp_path, abstract(state_of()), damaged="ignore")
    jax.tree.map(np.testing.assert_array_equal, restored, state_of())


def test_the_step_before_is_restored_instead(tmp_path, digests):
    save(tmp_path, state_of(), steps=(1, 2))
    path = tmp_path / "checkpoints" / "2" / "data" / "metadata"
    path.write_text(path.read_text().replace("20", "21"))
    counter = Counter()
    with Checkpoints(tmp_path, 2) as checkpoints:
        checkpoints.restore(abstract(state_of()), counter, damaged="set_aside")
    assert counter.place == 10 and (tmp_path / "checkpoints" / "2.damaged").is_dir()


def flip(workdir, seed, times):
    """Flips a bit of a checkpoint, so many times: what is restored is what was saved, or nothing is."""
    state, rng = state_of("blocks"), random.Random(seed)
    save(workdir, state)
    like, expected = abstract(state_of()), jax.tree.leaves(jax.device_get(state))
    files = [path for path in (workdir / "checkpoints" / "1").rglob("*") if path.is_file() and path.stat().st_size]
    refused = 0
    for path in rng.choices(files, [path.stat().st_size for path in files], k=times):
        whole, counter = path.read_bytes(), Counter()
        place, bit = rng.randrange(len(whole)), rng.randrange(8)
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
        try:
            found = jax.tree.leaves(restore(workdir, like, counter))
        except IntegrityError:
            refused += 1
        else:
            same = all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True)) and counter.place == 10
            assert same, f"{path}, bit {bit} of byte {place}"
        path.write_bytes(whole)
    return refused


@_UNREAD
def test_flipped_bits(tmp_path):
    assert flip(tmp_path, seed=0, times=50) > 20


@pytest.mark.slow
@_UNREAD
@pytest.mark.parametrize("seed", range(1, 21))
def test_ten_thousand_flipped_bits(tmp_path, seed):
    assert flip(tmp_path, seed, times=500) > 200
