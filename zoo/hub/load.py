# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""`zoo.load`, `zoo.config` and `zoo.tokenizer`: from a Hub id, a registry name, a folder or a file."""

import dataclasses
import json
import logging
import os
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import Mesh, NamedSharding

from zoo.checks import suggest_arguments
from zoo.errors import ConfigError
from zoo.hub import generation_config, sentence_transformers
from zoo.hub.fetch import CONFIG, locate
from zoo.hub.formats import orbax
from zoo.hub.generation_config import GenerationConfig
from zoo.hub.match import Match, NewHead, Source, is_of_head, match
from zoo.hub.model_config import AUTO, carry, read_config, table_of
from zoo.hub.parameters import dotted, parameters
from zoo.hub.tables import FAMILIES
from zoo.hub.tensors import Unread
from zoo.hub.weights import Checkpoint, find
from zoo.models import registry
from zoo.nn.config import TransformerConfig
from zoo.nn.heads import LABEL_HEADS
from zoo.nn.transformer import Transformer
from zoo.sharding import rules as sharding_rules
from zoo.text.load import load_tokenizer
from zoo.text.tokenizer import Tokenizer

HeadInit = Literal["checkpoint", "required", "random"]
Unexpected = Literal["error", "ignore"]

_log = logging.getLogger(__name__)

_MAX_LISTED = 20  # tensors in one log line


@suggest_arguments(
    torch_dtype="dtype for the computation, or param_dtype for the parameters",
    ignore_mismatched_sizes="head_init='random', which initialises the head at random",
    strict="unexpected='ignore'",
    id2label="num_labels",
    name="source",
    device_map="mesh and rules",
    config="zoo.create, which makes a model of a config",
)
def load(
    source: str | os.PathLike,
    *,
    head: str | None = AUTO,
    family: str | None = None,
    num_labels: int | None = None,
    head_init: HeadInit = "checkpoint",
    unexpected: Unexpected = "error",
    revision: str | None = None,
    dtype: Any = "float32",
    param_dtype: Any = "float32",
    mesh: Mesh | None = None,
    rules: str | None = None,
    seed: int = 0,
) -> Transformer:
    """A model from a local folder, a file of weights next to its config.json, a registry name or a Hub id.

    Weights are read from safetensors, `pytorch_model.bin` or `flax_model.msgpack`, in this order, sharded or not; else
    as the authors of BERT, ALBERT, ELECTRA, XLNet, GPT and GPT-2 released them, with their own config. The model of a
    sentence-transformers folder has a `pooling`, which `zoo.embed` uses.

    Args:
      head: a head's name, or None for the bare model; `auto` is the head that `architectures` in config.json names. A
        head that the checkpoint lacks must be requested explicitly; its new parameters are drawn from `seed`.
      family: the family's name, for a config.json that names none.
      num_labels: C of a classifier; None is config.json's.
      head_init: `required` refuses a checkpoint that lacks the requested head; `random` makes a new head even if the
        checkpoint has one, such as a classifier of other labels.
      unexpected: `ignore` leaves out tensors that the model does not have, and logs them.
      revision: branch, tag or commit of a Hub repository; None is its main branch.
      dtype: of the computation. param_dtype: of the parameters.
      mesh: devices to load onto, each reading its own slices. rules: preset of `zoo.sharding.rules` (`fsdp`).

    Raises:
      ConfigError: an unknown name, head, dtype or preset; a config.json that asks for what is not supported.
      FormatError: a file that is absent or broken, or tensors that are missing, unexpected or mis-shaped (all listed).
    """
    _check_arguments(head, head_init, unexpected, mesh, rules, seed)
    path = locate(source, revision=revision)
    sentences = sentence_transformers.read(path)
    checkpoint = find(path if sentences is None else sentences.transformer)
    asked = None if sentences is not None and head == AUTO else head
    config, named = read_config(checkpoint, asked, family)
    config = _adapt(config, named, num_labels, dtype, param_dtype)
    options = _Options(asked, named, head_init, unexpected, seed, str(source))
    model = _load(checkpoint, config, options, mesh, rules)
    model.generation_config = _generation_config(checkpoint, model.carried)
    if sentences is not None and named is None:
        model.pooling = sentences.pooling(config)
    return model


class Declared(NamedTuple):
    """What a checkpoint's folder declares beside its architecture; a model that is trained from it keeps it.

    Attributes:
      carried: the keys of config.json that no field here holds, as JSON; not what its head was trained for
        (`problem_type`). generation_config: its settings for generation.
    """

    family: str
    carried: str
    generation_config: GenerationConfig | None

    def give(self, model: Transformer) -> None:
        """Gives them to a model of the same family, for `zoo.save` to write."""
        if model.config.family == self.family:
            model.carried, model.generation_config = self.carried, self.generation_config


def declared(source: str | os.PathLike) -> Declared:
    """What the folder of a checkpoint declares.

    Raises:
      ConfigError, FormatError: a folder that is absent or damaged.
    """
    path = locate(source)
    sentences = sentence_transformers.read(path)
    checkpoint = find(path if sentences is None else sentences.transformer)
    carried = carry(checkpoint, new_head=True)
    return Declared(read_config(checkpoint, None)[0].family, carried, _generation_config(checkpoint, carried))


@suggest_arguments()
def tokenizer(source: str | os.PathLike, *, revision: str | None = None) -> Tokenizer:
    """The tokenizer of a folder, a registry name or a Hub id; its `.target` is for the texts that a translator writes.

    Raises:
      ConfigError: no such folder or name. FormatError: files that are absent, damaged, or contradict each other.
    """
    path = locate(source, parts="tokenizer", revision=revision)
    sentences = sentence_transformers.read(path)
    return load_tokenizer(find(path if sentences is None else sentences.transformer).folder)


def config(
    source: str | os.PathLike, *, family: str | None = None, revision: str | None = None, **changes: Any
) -> TransformerConfig:
    """The config of a registry name, a folder or a Hub id, for the head that its config.json names, with changes.

    Raises:
      ConfigError: no such folder, name or field. FormatError: a config.json that is damaged.
    """
    if isinstance(source, str) and source in registry.ENTRIES:
        return registry.config(source, **changes)
    path = locate(source, revision=revision)
    sentences = sentence_transformers.read(path)
    checkpoint = find(path if sentences is None else sentences.transformer)
    return read_config(checkpoint, AUTO if sentences is None else None, family)[0].replace(**changes)


def head_name(source: str | os.PathLike) -> str | None:
    """The head that a checkpoint's config.json names; None if it names the bare model.

    Raises:
      ConfigError: no such folder or name. FormatError: a config.json that is damaged.
    """
    path = locate(source)
    sentences = sentence_transformers.read(path)
    return None if sentences is not None else read_config(find(path), AUTO)[1]


@dataclasses.dataclass(frozen=True)
class _Options:
    """What the caller chose of the weights: the head as requested and as found, and how to draw or ignore."""

    head: str | None
    named: str | None
    head_init: HeadInit
    unexpected: Unexpected
    seed: int
    source: str

    @property
    def new_head(self) -> NewHead:
        if self.head_init == "random":
            return "drawn"
        return "refused" if self.head == AUTO or self.head_init == "required" else "allowed"


def _generation_config(checkpoint: Checkpoint, carried: str) -> GenerationConfig | None:
    found = generation_config.read(checkpoint.folder)
    if found is None and carried:  # config.json had these settings before there was that file
        return generation_config.parse(json.loads(carried), checkpoint.folder / CONFIG)
    return found


def _load(
    checkpoint: Checkpoint, config: TransformerConfig, options: _Options, mesh: Mesh | None, rules: str | None
) -> Transformer:
    tensors = {} if checkpoint.form == "orbax" else checkpoint.tensors
    if config.logits_scale == "none" and FAMILIES[config.family].weights.untied_by in tensors:
        config = config.replace(tie_embeddings=False)
    graphdef, state = nnx.split(registry.family_of(config).abstract(config, head=options.named))
    shardings = None if mesh is None else sharding_rules.shardings(state, mesh, rules or "fsdp")
    if checkpoint.form == "orbax":
        model = nnx.merge(graphdef, orbax.read(checkpoint.folder, state, shardings))
        model.carried = carry(checkpoint, new_head=False)
        return model
    found = _match(checkpoint, tensors, config, options, state)
    where = str(checkpoint.path)
    by_name = None if shardings is None else _by_name(shardings)
    drawn = _draw(config, options.named, found.new, by_name, options.seed)
    values = drawn | _read(found.sources, tensors, state, by_name, where)
    _report(options, found)
    filled = [(path, param.replace(values[dotted(path)])) for path, param in nnx.to_flat_state(state)]
    model = nnx.merge(graphdef, nnx.from_flat_state(filled))
    model.carried = carry(checkpoint, new_head=any(map(is_of_head, found.new)))
    if found.unread:
        model.unread = Unread({name: tensors[file] for name, file in found.unread.items()})
    return model


def _match(
    checkpoint: Checkpoint,
    tensors: Mapping[str, np.ndarray],
    config: TransformerConfig,
    options: _Options,
    state: nnx.State,
) -> Match:
    """The tensor of every parameter; FormatError lists all that do not fit, with a hint."""
    found = match(
        table_of(config, options.named, checkpoint),
        config=config,
        head=options.named,
        params={name: param.shape for name, param in parameters(state).items()},
        weights=tensors,
        new_head=options.new_head,
        where=str(checkpoint.path),
    )
    if options.head_init == "required" and found.lacks_part:
        raise ConfigError(
            f"{options.source} has no {options.named or 'bare'} head: it lacks {', '.join(found.missing)}. Load it "
            f"with head={options.named!r}, which draws new parameters, and train them first; or take another one."
        )
    if options.unexpected == "ignore" and found.unexpected:
        _log.warning("%s: left out, because of unexpected='ignore': %s", options.source, ", ".join(found.unexpected))
        found.unexpected = []
    found.check(str(checkpoint.path), _hint(found, options, config))
    return found


def _check_arguments(head, head_init, unexpected, mesh, rules, seed) -> None:
    if rules is not None and mesh is None:
        raise ConfigError(f"rules={rules!r} needs a mesh; pass mesh=zoo.sharding.mesh.make_mesh(...).")
    if not isinstance(head, str | None):
        raise ConfigError(f"head must be a name or None; found {head!r:.80}.")
    for name, value, choices in (("head_init", head_init, HeadInit), ("unexpected", unexpected, Unexpected)):
        if value not in get_args(choices):
            raise ConfigError(f"{name} must be {' or '.join(map(repr, get_args(choices)))}; found {value!r:.80}.")
    if mesh is not None and not isinstance(mesh, Mesh):
        raise ConfigError(f"mesh must be a jax.sharding.Mesh, as make_mesh gives; found {type(mesh).__name__}.")
    if type(seed) is not int or not 0 <= seed < 2**32:
        raise ConfigError(f"seed must be an int from 0 to 2^32 - 1; found {seed!r:.80}.")


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
    if num_labels is not None and head not in LABEL_HEADS:
        raise ConfigError(f"num_labels belongs to {' and '.join(LABEL_HEADS)}; the head is {head!r}. Leave it out.")
    if num_labels not in (None, config.num_labels):
        changes |= {"num_labels": num_labels, "label_names": ()}
    return config.replace(**changes)


def _hint(found: Match, options: _Options, config: TransformerConfig) -> str:
    """How to load a checkpoint that does not fit."""
    hints = []
    if found.unexpected:
        hints.append(
            "If they are parts of no use here, leave them out: unexpected='ignore'; if the model is another one, name "
            "it: family=, head=."
        )
    if found.misshaped_head:
        labels = f" of {config.num_labels} labels" if options.named in LABEL_HEADS else ""
        hints.append(f"To replace the checkpoint's head by a new one{labels}: head_init='random'.")
    if found.lacks_part and options.head == AUTO and options.named is not None:
        hints.append(f"To start {options.named!r} with new parameters, request it explicitly: head={options.named!r}.")
    elif found.lacks_part and options.head == AUTO:
        hints.append("To initialise missing parts of the bare model at random: head=None.")
    return "\n  ".join([*hints, "Otherwise check that the file is whole, and that config.json is its own."])


def _by_name(shardings: nnx.State) -> dict[str, NamedSharding]:
    return {name: sharding.get_value() for name, sharding in parameters(shardings).items()}


def _read(
    sources: Mapping[str, Source],
    weights: Mapping[str, np.ndarray],
    state: nnx.State,
    shardings: Mapping[str, NamedSharding] | None,
    where: str,
) -> dict[str, jax.Array]:
    """The parameters; each device's slice is read by itself. Values that are not finite are logged.

    Without shardings they are not committed to a device, like created ones, so that a program that returns them (a
    training step) finds its next inputs as the first were, and is compiled once.
    """
    values, not_finite = {}, set()
    for name, param in parameters(state).items():
        if name not in sources:
            continue

        def read(index, source=sources[name], param=param) -> np.ndarray:
            array = source.read(weights, param.shape, index, param.dtype)
            not_finite.update(source.not_finite(array, index))
            return array

        if shardings is None:
            values[name] = jax.device_put(read((slice(None),) * len(param.shape)))
        else:
            values[name] = jax.make_array_from_callback(param.shape, shardings[name], read)
    if not_finite:
        names = ", ".join(sorted(not_finite)[:_MAX_LISTED])
        _log.warning("%s: NaN or infinity in %d tensors: %s", where, len(not_finite), names)
    return values


def _draw(config, head, names: list[str], shardings: Mapping[str, NamedSharding] | None, seed: int):
    """Random values of some parameters, by the family's initializer; the compiler drops those of all others."""
    if not names:
        return {}

    def draw():
        params = parameters(nnx.state(registry.family_of(config).build(config, head=head, rngs=nnx.Rngs(seed))))
        return {name: params[name][...] for name in names}

    return jax.jit(draw, out_shardings=None if shardings is None else {name: shardings[name] for name in names})()


def _report(options: _Options, found: Match) -> None:
    if found.new and options.head_init == "random":
        _log.warning("%s: the head is initialised at random; new parameters: %s", options.source, ", ".join(found.new))
    elif found.new:
        head, new = options.named or "bare", ", ".join(found.new)
        _log.warning("%s has no %s head; new random parameters: %s", options.source, head, new)
    if found.passed_over:
        _log.info("%s: not used: %s", options.source, ", ".join(found.passed_over))
