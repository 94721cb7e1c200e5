# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""`zoo.save`: a model -> a folder that Transformers loads."""

import contextlib
import functools
import itertools
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import Mesh, NamedSharding

from zoo.errors import ConfigError, ZooError
from zoo.files import write_json
from zoo.hub import generation_config, sentence_transformers
from zoo.hub.fetch import CONFIG, GENERATION, SENTENCE_FILES
from zoo.hub.formats import safetensors
from zoo.hub.model_config import AUTO, hub_config, read_config
from zoo.hub.parameters import parameters
from zoo.hub.table import Row, Table, Tie, conditions
from zoo.hub.tables import FAMILIES
from zoo.hub.tensors import Pending, fetch, partial
from zoo.hub.weights import ORBAX, find
from zoo.multihost import processes
from zoo.nn.config import TransformerConfig
from zoo.nn.heads import LABEL_HEADS
from zoo.nn.transformer import Transformer
from zoo.sharding import rules as sharding_rules

MAX_SHARD_BYTES = 5_000_000_000  # Transformers' default, too

_log = logging.getLogger(__name__)


def save(model: Transformer, folder: str | os.PathLike, *, max_shard_bytes: int = MAX_SHARD_BYTES) -> None:
    """Writes a folder that `load` and Transformers load: config.json and model.safetensors.

    A model with a `pooling` is written as a sentence-transformers folder. What a loaded model's config.json and
    generation_config.json declared apart from its architecture is written again.

    A new folder appears only when it is complete. In an existing one, everything is written next to the final names and
    then moved; settings of generation and of sentence-transformers that are not this model's are removed, and all other
    files stay, a tokenizer's among them. Of several processes all must call it: tensor by tensor comes to process 0,
    which alone writes.

    Args:
      max_shard_bytes: above this the weights are split over several files with an index.

    Raises:
      ConfigError: Transformers has no such model, or the folder cannot be written, or it holds another model, or one
        whose weights would be read instead of these, or with them.
    """
    folder = Path(folder)
    if not processes.is_primary():
        tensors = _pending(FAMILIES[model.config.family].weights, model)
        for name in itertools.chain(*safetensors.plan(tensors, max_shard_bytes)):
            tensors[name].make()
        return
    _check_target(model, folder)
    with staged(folder) as staging:
        write_folder(model, staging, functools.partial(safetensors.write, max_shard_bytes=max_shard_bytes))


def _check_target(model: Transformer, folder: Path) -> None:
    """A model replaces an earlier state of itself, and no other model."""
    if not folder.is_dir():
        return
    try:
        sentences = sentence_transformers.read(folder)
        weights = find(folder if sentences is None else sentences.transformer)
        found = weights.folder / ORBAX if weights.form == "orbax" else weights.file
        if found is not None and found not in (folder / safetensors.SINGLE, folder / safetensors.INDEX):
            raise ConfigError(
                f"{folder} holds weights in another form or file ({found.relative_to(folder)}), which would stay "
                "there as a second model; choose another folder, or remove them."
            )
        if not (folder / CONFIG).exists():
            return
        config, head = read_config(weights, AUTO)
    except ZooError as error:
        raise ConfigError(f"{folder} holds a model that is not this one ({error}); choose another folder.") from error
    there, here = _identity(config, head), _identity(model.config, model.head_name)
    if there != here:
        raise ConfigError(
            f"{folder} holds another model ({config.family}, head {head!r}), which is not overwritten; choose another "
            "folder, or empty it."
        )


def _identity(config: TransformerConfig, head: str | None) -> tuple:
    sizes = (config.vocab_size, config.width, config.mlp_width, config.num_layers, config.decoder_layers)
    return config.family, head, *sizes, config.num_labels if head in LABEL_HEADS else None


@contextlib.contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """The folder to write to: the target itself if it exists, else one next to it that is renamed at the end.

    Raises:
      ConfigError: it cannot be written.
    """
    is_new = not folder.exists()
    staging = partial(folder) if is_new else folder
    try:
        staging.mkdir(parents=True, exist_ok=True)
        yield staging
        if is_new:
            staging.rename(folder)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written ({error.strerror or error}); choose another folder.") from error
    finally:
        if is_new:
            shutil.rmtree(staging, ignore_errors=True)


def write_folder(model: Transformer, folder: Path, write: Callable[[Path, Mapping[str, Pending]], list[Path]]) -> None:
    """Writes the files of a model into an existing folder, each next to its final name, then renames them."""
    if model.is_for_inference:
        raise ConfigError("A model made by for_inference() is for inference; save the one that it was made from.")
    config = hub_config(model.config, model.head_name, model.carried)
    tensors = _pending(FAMILIES[model.config.family].weights, model)
    try:
        paths = [*write(folder, tensors), *generation_config.write(model, folder)]
        if model.pooling is not None and model.head_name is None:
            paths += sentence_transformers.write(folder, model.pooling, model.config)
        write_json(partial(folder / CONFIG), config)
        _replace(folder, [*paths, folder / CONFIG])
    finally:
        pattern = partial(folder / "*").name
        for left in (*folder.glob(pattern), *folder.glob(f"*/{pattern}")):
            left.unlink()


def _pending(table: Table, model: Transformer) -> dict[str, Pending]:
    """Every tensor of the model, by its saved name, made only when it is written."""
    params = {name: param[...] for name, param in parameters(nnx.state(model)).items()}
    when, tensors = conditions(model.config), {}

    def name(hub: str) -> str:
        return table.saved_name(hub, model.head_name, when)

    for row in (row for part in table.parts(model.head_name, when, params) for row in part):
        values = [params[path] for path in row.paths]
        for layer, hub in enumerate(row.names(values[0].shape)):
            shape = row.hub_shape(values[0].shape[1:] if row.stacked else values[0].shape)
            make = functools.partial(_join, row, values, layer)
            leaf = row.paths[0].rpartition(".")[2]
            tensors[name(hub)] = Pending(shape, values[0].dtype, make, leaf)
    copies = [tie for tie in table.ties if tie.saved in when and name(tie.original) in tensors]
    for constant in table.constants:
        if model.head_name in constant.saved_by:
            array = constant.make(model.config).astype(jnp.dtype(model.config.execution.param_dtype))
            make = functools.partial(np.asarray, array)
            tensors[name(constant.hub)] = Pending(array.shape, array.dtype, make, "embedding")
    tensors |= {name(tie.copy): tensors[name(tie.original)] for tie in copies}
    return tensors | {name(hub): _as_stored(array, model) for hub, array in _unread(model, copies).items()}


def _unread(model: Transformer, copies: list[Tie]) -> dict[str, np.ndarray]:
    """Stored copies of tied tensors that differed and were not used; they are saved in place of the copy."""
    stored = {} if model.unread is None else model.unread.tensors
    return {tie.copy: stored[tie.copy] for tie in copies if tie.copy in stored}


def _as_stored(array: np.ndarray, model: Transformer) -> Pending:
    dtype = jnp.dtype(model.config.execution.param_dtype)
    return Pending(array.shape, dtype, lambda: fetch(array).astype(dtype), "bias")


def _join(row: Row, values: list[jax.Array], layer: int) -> np.ndarray:
    return row.join([_fetch(value, layer if row.stacked else None) for value in values])


def _fetch(value: jax.Array, layer: int | None) -> np.ndarray:
    """An array, or one layer of it, in this process's memory; the others must fetch it too if they hold parts of it."""
    if value.is_fully_replicated:
        value = value.addressable_data(0)  # an array of its own: JAX keeps the copy on the host with the array
        return np.asarray(value if layer is None else value[layer])
    if value.is_fully_addressable:
        return np.asarray(value) if layer is None else np.asarray(value)[layer]
    if not isinstance(value.sharding, NamedSharding):
        raise ConfigError(
            f"a parameter is sharded as {value.sharding}; with several processes only parameters on a mesh are saved."
        )
    gather = _gather(value.sharding.mesh)
    return np.asarray(gather(value, layer))


@functools.lru_cache
def _gather(mesh: Mesh) -> Callable[[jax.Array, int | None], jax.Array]:
    """A function that brings a parameter, or the one requested layer of it, whole to every device."""

    def gather(value: jax.Array, layer: int | None) -> jax.Array:
        return value if layer is None else jax.lax.dynamic_index_in_dim(value, layer, keepdims=False)

    return jax.jit(gather, out_shardings=sharding_rules.replicated(mesh))


def _replace(folder: Path, paths: list[Path]) -> None:
    """Moves finished files to their names, then removes what an earlier save left under others, or this one lacks."""
    for path in paths:
        partial(path).replace(path)
    for old in {*folder.glob("model-*-of-*.safetensors"), folder / safetensors.SINGLE, folder / safetensors.INDEX}:
        if old not in paths:
            old.unlink(missing_ok=True)
    for name in (*SENTENCE_FILES, GENERATION):
        if folder / name not in paths and (folder / name).exists():
            (folder / name).unlink()
            _log.warning("%s: removed %s, which another model left there.", folder, name)
