# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""`zoo.load` and `zoo.save`: a folder as the Hub has them <-> a model."""

import functools
import itertools
import logging
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import Mesh, NamedSharding, Sharding

from zoo.errors import ConfigError, ZooError
from zoo.files import write_json
from zoo.hub import generation_config, weights
from zoo.hub.fetch import CONFIG, TOKENIZER_FILES, locate
from zoo.hub.formats import msgpack, orbax, safetensors
from zoo.hub.table import Row, Source, Table, conditions, match
from zoo.hub.tables import AUTO, FAMILIES, hub_config, read_config, table_of
from zoo.hub.tensors import Pending, partial
from zoo.models import registry
from zoo.multihost import processes
from zoo.nn.config import TransformerConfig
from zoo.nn.transformer import Transformer
from zoo.sharding import rules as sharding_rules
from zoo.text.load import load_tokenizer
from zoo.text.tokenizer import Tokenizer

MAX_SHARD_BYTES = 5_000_000_000  # the torch library's default, too
FORMS = ("safetensors", "orbax", "msgpack")

_log = logging.getLogger(__name__)

_MAX_SAID = 20  # tensors in one log line

_CLASSIFIERS = ("sequence_classification", "token_classification")


def load(
    source: str | os.PathLike,
    *,
    head: str | None = AUTO,
    num_labels: int | None = None,
    dtype: Any = "float32",
    param_dtype: Any = "float32",
    mesh: Mesh | None = None,
    rules: str | None = None,
    seed: int = 0,
) -> Transformer:
    """A model from a registry name, a Hub folder, or a file of weights beside its config.json.

    Weights are read from safetensors, `pytorch_model.bin` or `flax_model.msgpack`, in this order, sharded or not; else
    as the authors of BERT, ALBERT, ELECTRA, XLNet, GPT and GPT-2 released them, with their own config.

    Args:
      head: a head's name, or None for the bare model; `auto` is the head that `architectures` in config.json names. A
        head that the checkpoint lacks must be named here; its new parameters are drawn from `seed`.
      num_labels: C of a classifier; None is what config.json says.
      dtype: of the computation. param_dtype: of the parameters.
      mesh: devices to load onto, each reading its own slices. rules: preset of `zoo.sharding.rules` (`fsdp`).

    Raises:
      ConfigError: an unknown name, head, dtype or preset; a config.json that asks for what is not supported.
      FormatError: a file that is absent or broken, or tensors that are missing, unexpected or mis-shaped (all listed).
    """
    if rules is not None and mesh is None:
        raise ConfigError(f"rules={rules!r} needs a mesh; pass mesh=zoo.sharding.mesh.make_mesh(...).")
    if not isinstance(head, str | None):
        raise ConfigError(f"head must be a name or None; found {head!r:.80}.")
    if mesh is not None and not isinstance(mesh, Mesh):
        raise ConfigError(f"mesh must be a jax.sharding.Mesh, as make_mesh gives; found {type(mesh).__name__}.")
    if type(seed) is not int or not 0 <= seed < 2**32:
        raise ConfigError(f"seed must be an int from 0 to 2^32 - 1; found {seed!r:.80}.")
    path = locate(source)
    config, named = read_config(path, head)
    config = _adapt(config, named, num_labels, dtype, param_dtype)
    is_orbax = path.is_dir() and orbax.is_checkpoint(path)
    tensors = {} if is_orbax else weights.read(path)
    if config.logits_scale == "none" and FAMILIES[config.family].weights.untied_by in tensors:
        config = config.replace(tie_embeddings=False)
    graphdef, state = nnx.split(registry.family_of(config).abstract(config, head=named))
    shardings = None if mesh is None else sharding_rules.shardings(state, mesh, rules or "fsdp")
    if is_orbax:
        return generation_config.attach(nnx.merge(graphdef, orbax.read(path, state, shardings)), path)
    found = match(
        table_of(config, named, path),
        config=config,
        head=named,
        params={name: param.shape for name, param in _by_name(state).items()},
        weights=tensors,
        new_head="refused" if head == AUTO else "allowed",
        where=str(path),
    )
    found.check(str(path), _hint(head, named) if found.lacks_part else _WHOLE)
    here = jnp.zeros(()).sharding  # of the default device
    places = dict.fromkeys(_by_name(state), here) if shardings is None else _places(shardings)
    values = _draw(config, named, found.new, places, seed) | _read(found.sources, tensors, state, places, str(path))
    _report(source, named, found.new, found.passed_over)
    filled = [(path, param.replace(values[_name(path)])) for path, param in nnx.to_flat_state(state)]
    return generation_config.attach(nnx.merge(graphdef, nnx.from_flat_state(filled)), path)


def tokenizer(source: str | os.PathLike) -> Tokenizer:
    """The tokenizer of a Hub folder or of a registry name; its `.target` is for the texts that a translator writes.

    Raises:
      ConfigError: no such folder or name. FormatError: files that are absent, damaged, or contradict each other.
    """
    path = locate(source, parts="tokenizer")
    return load_tokenizer(path if path.is_dir() else path.parent)


def config(source: str | os.PathLike, **changes: Any) -> TransformerConfig:
    """The config of a registry name, or of a Hub folder for the head that its config.json names; some fields changed.

    Raises:
      ConfigError: no such folder, name or field. FormatError: a config.json that is damaged.
    """
    if isinstance(source, str) and source in registry.ENTRIES:
        return registry.config(source, **changes)
    path = locate(source)
    return read_config(path, AUTO)[0].replace(**changes)


def save(model: Transformer, folder: str | os.PathLike, *, max_shard_bytes: int = MAX_SHARD_BYTES) -> None:
    """Writes a folder that `load` and the torch library load: config.json and model.safetensors.

    Everything is written beside the final names and then moved, so that a folder saved before is whole until then.
    Of several processes all must call it: tensor by tensor comes to process 0, which alone writes.

    Args:
      max_shard_bytes: above this the weights are split over several files with an index.

    Raises:
      ConfigError: the torch library has no such model, or the folder cannot be written, or it holds another model.
    """
    folder = Path(folder)
    if not processes.is_primary():
        tensors = _pending(FAMILIES[model.config.family].weights, model)
        for name in itertools.chain(*safetensors.plan(tensors, max_shard_bytes)):
            tensors[name].make()
        return
    _check_target(model, folder)
    _save(model, folder, functools.partial(safetensors.write, folder, max_shard_bytes=max_shard_bytes))


def _check_target(model: Transformer, folder: Path) -> None:
    """A model replaces an earlier state of itself, and no other model."""
    if not (folder / CONFIG).exists():
        return
    try:
        config, head = read_config(folder, AUTO)
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
    return config.family, head, *sizes, config.num_labels if head in _CLASSIFIERS else None


def _save(model: Transformer, folder: Path, write: Callable[[Mapping[str, Pending]], list[Path]]) -> None:
    if model.is_for_inference:
        raise ConfigError("A model made by for_inference() is for inference; save the one that it was made from.")
    config = hub_config(model.config, model.head_name)
    tensors = _pending(FAMILIES[model.config.family].weights, model)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths = write(tensors)
        write_json(partial(folder / CONFIG), config)
        _replace([*paths, *generation_config.write(model, folder), folder / CONFIG])
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written ({error.strerror or error}); choose another folder.") from error
    finally:
        for left in folder.glob(partial(folder / "*").name):
            left.unlink()


def convert(
    source: str | os.PathLike,
    target: str | os.PathLike,
    *,
    form: str = "safetensors",
    max_shard_bytes: int = MAX_SHARD_BYTES,
) -> None:
    """Loads a model and writes it anew, with its tokenizer's files, to an empty or new folder.

    Args:
      form: one of `FORMS`; `msgpack` is what transformers before version 5 reads into Flax.

    Raises:
      ConfigError: the target holds something; or as `load` and `save` do, as well as FormatError.
    """
    target = Path(target)
    if form not in FORMS:
        raise ConfigError(f"No format {form!r} can be written; choose one of {', '.join(FORMS)}.")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(f"{target} is there already, and is not overwritten; choose another folder, or empty it.")
    source = locate(source)
    model = load(source)
    if form == "orbax":
        orbax.write(model, target, hub_config(model.config, model.head_name))
    elif form == "msgpack":
        norm_scale = "weight" if model.config.norm == "rms" else "scale"
        _save(model, target, functools.partial(msgpack.write, target, norm_scale=norm_scale))
    else:
        save(model, target, max_shard_bytes=max_shard_bytes)
    for name in TOKENIZER_FILES:
        if (file := (source if source.is_dir() else source.parent) / name).is_file():
            shutil.copyfile(file, target / name)


def _adapt(config: TransformerConfig, head, num_labels, dtype, param_dtype) -> TransformerConfig:
    """The config with what the caller chose."""
    if dtype is None or param_dtype is None:
        raise ConfigError("dtype and param_dtype must be floating-point dtypes; found None.")
    try:
        changes = {"dtype": jnp.dtype(dtype).name, "param_dtype": jnp.dtype(param_dtype).name}
    except TypeError as error:
        raise ConfigError(f"dtype and param_dtype must be floating-point dtypes; {error}.") from error
    for name, value in changes.items():
        if not jnp.issubdtype(value, jnp.floating):
            raise ConfigError(f"{name} must be a floating-point dtype; found {value!r}.")
    if num_labels is not None and head not in _CLASSIFIERS:
        raise ConfigError(f"num_labels belongs to {' and '.join(_CLASSIFIERS)}; the head is {head!r}. Leave it out.")
    if num_labels not in (None, config.num_labels):
        changes |= {"num_labels": num_labels, "label_names": ()}
    return config.replace(**changes)


def _name(path: tuple) -> str:
    return ".".join(map(str, path))


def _by_name(state: nnx.State) -> dict[str, nnx.Variable]:
    return {_name(path): param for path, param in nnx.to_flat_state(state)}


_WHOLE = "Is the file whole, and config.json its own?"


def _hint(head: str | None, named: str | None) -> str:
    if head != AUTO:
        return _WHOLE
    if named is not None:
        return f"Is the file whole? To start {named!r} with new parameters, ask for it: head={named!r}."
    return f"{_WHOLE} To start missing parts of the bare model anew: head=None."


def _places(shardings: nnx.State) -> dict[str, NamedSharding]:
    return {name: place.get_value() for name, place in _by_name(shardings).items()}


def _read(
    sources: Mapping[str, Source],
    weights: Mapping[str, np.ndarray],
    state: nnx.State,
    places: Mapping[str, Sharding],
    where: str,
) -> dict[str, jax.Array]:
    """The parameters on their devices; each device's slice is read by itself. Values that are not finite are said."""
    values, not_finite = {}, set()
    for name, param in _by_name(state).items():
        if name not in sources:
            continue

        def read(index, source=sources[name], param=param) -> np.ndarray:
            array = source.read(weights, param.shape, index, param.dtype)
            not_finite.update(source.not_finite(array, index))
            return array

        values[name] = jax.make_array_from_callback(param.shape, places[name], read)
    if not_finite:
        names = ", ".join(sorted(not_finite)[:_MAX_SAID])
        _log.warning("%s: NaN or infinity in %d tensors: %s", where, len(not_finite), names)
    return values


def _draw(config, head, names: list[str], places: Mapping[str, Sharding], seed: int) -> dict[str, jax.Array]:
    """Random values of some parameters, by the family's initializer; the compiler drops those of all others."""
    if not names:
        return {}

    def draw():
        params = _by_name(nnx.state(registry.family_of(config).build(config, head=head, rngs=nnx.Rngs(seed))))
        return {name: params[name][...] for name in names}

    return jax.jit(draw, out_shardings={name: places[name] for name in names})()


def _report(source, head: str | None, new: list[str], passed_over: list[str]) -> None:
    if new:
        _log.warning("%s has no %s head; new random parameters: %s", source, head or "bare", ", ".join(new))
    if passed_over:
        _log.info("%s: passed over %s", source, ", ".join(passed_over))


def _pending(table: Table, model: Transformer) -> dict[str, Pending]:
    """Every tensor of the model, by its saved name, made only when it is written."""
    params = {name: param[...] for name, param in _by_name(nnx.state(model)).items()}
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
    return tensors | {name(tie.copy): tensors[name(tie.original)] for tie in copies}


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
            f"a parameter lies as {value.sharding}; of several processes' only those on a mesh are saved."
        )
    gather = _gather(value.sharding.mesh)
    return np.asarray(gather(value, layer))


@functools.lru_cache
def _gather(mesh: Mesh) -> Callable[[jax.Array, int | None], jax.Array]:
    """A function that brings a parameter, or the one layer of it that is asked for, whole to every device."""

    def gather(value: jax.Array, layer: int | None) -> jax.Array:
        return value if layer is None else jax.lax.dynamic_index_in_dim(value, layer, keepdims=False)

    return jax.jit(gather, out_shardings=sharding_rules.replicated(mesh))


def _replace(paths: list[Path]) -> None:
    """Moves finished files to their names, then removes weights that an earlier save left under other names."""
    folder = paths[0].parent
    for path in paths:
        partial(path).replace(path)
    for old in {*folder.glob("model-*-of-*.safetensors"), folder / safetensors.SINGLE, folder / safetensors.INDEX}:
        if old not in paths:
            old.unlink(missing_ok=True)
