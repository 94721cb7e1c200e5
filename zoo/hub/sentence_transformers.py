# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Folders of sentence-transformers: `modules.json` lists a Transformer, a pooling, and layers on the pooled vector."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from safetensors.numpy import save_file

from zoo.errors import ConfigError, FormatError
from zoo.files import read_json, read_json_list, write_json
from zoo.hub.fetch import CONFIG
from zoo.hub.formats import safetensors, torch_pickle
from zoo.hub.tensors import check_inside, fetch, partial
from zoo.nn.config import TransformerConfig
from zoo.nn.pooling import Dense, DenseActivation, Pooling, PoolingMode

MODULES, SENTENCE, PROMPTS = "modules.json", "sentence_bert_config.json", "config_sentence_transformers.json"

# In the order in which their vectors are concatenated.
_MODES: Mapping[str, PoolingMode] = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_ACTIVATIONS: Mapping[str, DenseActivation] = {
    "torch.nn.modules.activation.Tanh": "tanh",
    "torch.nn.modules.linear.Identity": "identity",
    "torch.nn.modules.activation.ReLU": "relu",
    "torch.nn.modules.activation.GELU": "gelu",
}
_KINDS = ("Transformer", "Pooling", "Dense", "Normalize")

# Keys that would change the vectors, with the values at which they change nothing.
_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "transformer_task": (None, "feature-extraction"),
    "module_output_name": (None, "token_embeddings"),
    "processing_kwargs": (None, {}),
    "query_length": (None,),
    "document_length": (None,),
    "query_expansion": (None,),
    "truncate_dim": (None,),
}


@dataclasses.dataclass(frozen=True)
class SentenceFolder:
    """A folder's modules: the Transformer's folder, and those of the others by kind, in order."""

    folder: Path
    transformer: Path
    others: tuple[tuple[str, Path], ...]

    def pooling(self, config: TransformerConfig) -> Pooling:
        """How the vectors of sentences are made.

        Raises:
          ConfigError: an option that is not supported, or of another width than the model's.
        """
        kinds = [kind for kind, _ in self.others]
        if kinds != ["Pooling", *(["Dense"] * kinds.count("Dense")), *(["Normalize"] * ("Normalize" in kinds))]:
            raise ConfigError(
                f"{self.folder / MODULES} must list Transformer, Pooling, any Dense, and Normalize or not, in this "
                f"order; found {', '.join(['Transformer', *kinds])}."
            )
        fields = _read_pooling(self.others[0][1] / CONFIG, config.width)
        settings = read_json(self.transformer / SENTENCE, default={})
        _refuse(settings, self.transformer / SENTENCE)
        return Pooling(
            **fields,
            **_read_prompts(self.folder / PROMPTS),
            dense=tuple(_read_dense(path) for kind, path in self.others if kind == "Dense"),
            normalize="Normalize" in kinds,
            max_length=_max_length(settings, self.transformer / SENTENCE),
            lower_case=settings.get("do_lower_case") is True,
        )


def read(path: Path) -> SentenceFolder | None:
    """The modules of a folder, or None if it is not one of sentence-transformers.

    Raises:
      ConfigError: a module that is not supported, by its name. FormatError: a damaged modules.json.
    """
    file = path / MODULES
    if not path.is_dir() or not file.exists():
        return None
    found = [_module(entry, file) for entry in read_json_list(file)]
    if not found or found[0][0] != "Transformer":
        raise ConfigError(f"{file}: the first module must be a Transformer; found {found[0][0] if found else 'none'}.")
    return SentenceFolder(path, found[0][1], tuple(found[1:]))


def _module(entry: Any, file: Path) -> tuple[str, Path]:
    """Its kind and its folder."""
    kind, path = (entry.get("type"), entry.get("path")) if isinstance(entry, dict) else (None, None)
    if not isinstance(kind, str) or not isinstance(path, str):
        raise FormatError(f"{file} must list modules with 'type' and 'path'; found {entry!r:.80}.")
    name = kind.rpartition(".")[2]
    if kind.split(".")[0] != "sentence_transformers" or name not in _KINDS:
        raise ConfigError(f"{file}: the module {kind!r} is not supported; supported are {', '.join(_KINDS)}.")
    path = path.rstrip("/")
    return name, check_inside(file.parent, path, file) if path else file.parent


def _read_pooling(file: Path, width: int) -> dict[str, Any]:
    """The pooling's modes, from the six flags, or the one name that newer versions write."""
    hub = read_json(file)
    found = hub.get("word_embedding_dimension", hub.get("embedding_dimension", width))
    if found != width:
        raise ConfigError(f"{file}: the pooling is of vectors of {found!r} numbers; the model's have {width}.")
    asked = [key for key, value in hub.items() if key.startswith("pooling_mode_") and value]
    if unknown := [key for key in asked if key not in _MODES]:
        raise ConfigError(f"{file}: {unknown[0]!r} is not supported; supported are {', '.join(_MODES)}.")
    modes = tuple(mode for key, mode in _MODES.items() if key in asked)
    if isinstance(name := hub.get("pooling_mode"), str | list):
        names = (name,) if isinstance(name, str) else tuple(name)
        modes = tuple("mean_sqrt_len" if name == "mean_sqrt_len_tokens" else name for name in names)
    try:
        checked = Pooling(modes=cast(tuple[PoolingMode, ...], modes))
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from error
    return {"modes": checked.modes, "include_prompt": hub.get("include_prompt", True) is not False}


def _refuse(settings: Mapping[str, Any], file: Path) -> None:
    """ConfigError for an option that is not supported."""
    for key, same in _NEUTRAL.items():
        if settings.get(key) not in same:
            raise ConfigError(
                f"{file}: {key!r} is {settings[key]!r:.80}, which is not supported. Remove it to load the model "
                "without."
            )


def _read_prompts(file: Path) -> dict[str, Any]:
    hub = read_json(file, default={})
    _refuse(hub, file)
    prompts, default = hub.get("prompts") or {}, hub.get("default_prompt_name")
    texts = isinstance(prompts, dict) and all(isinstance(text, str) for text in prompts.values())
    if not texts or not (default is None or default in prompts):
        raise ConfigError(
            f"{file}: 'prompts' must map names to texts, the default's among them; found {prompts!r:.80}."
        )
    similarity = hub.get("similarity_fn_name")
    if not isinstance(similarity, str | None):
        raise ConfigError(f"{file}: 'similarity_fn_name' must be a name; found {similarity!r:.80}.")
    return {"prompts": tuple(prompts.items()), "default_prompt": default, "similarity": similarity}


def _max_length(settings: Mapping[str, Any], file: Path) -> int | None:
    length = settings.get("max_seq_length")
    if length is not None and (type(length) is not int or length < 1):
        raise ConfigError(f"{file}: 'max_seq_length' must be a number of tokens or null; found {length!r:.80}.")
    return length


def _read_dense(folder: Path) -> Dense:
    hub, file = read_json(folder / CONFIG), folder / CONFIG
    activation = _ACTIVATIONS.get(hub.get("activation_function", "torch.nn.modules.activation.Tanh"))
    if activation is None:
        raise ConfigError(
            f"{file}: 'activation_function' is {hub['activation_function']!r:.80}, which is not supported."
        )
    if hub.get("use_residual"):
        raise ConfigError(f"{file}: 'use_residual' is not supported.")
    if {hub.get("module_input_name"), hub.get("module_output_name")} - {None, "sentence_embedding"}:
        raise ConfigError(f"{file}: a layer on anything but the sentence's vector is not supported.")
    if (folder / safetensors.SINGLE).exists():
        tensors = safetensors.read_file(check_inside(folder, safetensors.SINGLE, folder))
    else:
        tensors = torch_pickle.read_file(check_inside(folder, "pytorch_model.bin", folder))
    expected = {"linear.weight", "linear.bias"} if hub.get("bias", True) else {"linear.weight"}
    shape = hub.get("out_features"), hub.get("in_features")
    if set(tensors) != expected or tensors["linear.weight"].shape != shape:
        found = {name: list(tensor.shape) for name, tensor in tensors.items()}
        raise FormatError(f"{folder}: expected {sorted(expected)} for {list(shape)}, by its config; found {found}.")
    kernel, bias = (_float32(tensors.get(f"linear.{name}")) for name in ("weight", "bias"))
    return Dense(np.ascontiguousarray(cast(np.ndarray, kernel).T), bias, activation)


def _float32(tensor: np.ndarray | None) -> np.ndarray | None:
    return None if tensor is None else np.asarray(fetch(tensor), np.float32)


def write(folder: Path, pooling: Pooling, config: TransformerConfig) -> list[Path]:
    """Writes the modules of a model, as sentence-transformers reads them, each next to its final name; these names."""
    kinds = [("", "Transformer"), ("1_Pooling", "Pooling")]
    kinds += [(f"{number}_Dense", "Dense") for number in range(2, 2 + len(pooling.dense))]
    kinds += [(f"{len(kinds)}_Normalize", "Normalize")] if pooling.normalize else []
    modes = {key: mode in pooling.modes for key, mode in _MODES.items()}
    for path, _ in kinds[1:]:
        (folder / path).mkdir(exist_ok=True)
    entries = [
        {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for number, (path, kind) in enumerate(kinds)
    ]
    similarity = {} if pooling.similarity is None else {"similarity_fn_name": pooling.similarity}
    prompts = {"prompts": dict(pooling.prompts), "default_prompt_name": pooling.default_prompt}
    width = {"word_embedding_dimension": config.width, "include_prompt": pooling.include_prompt}
    files: dict[Path, Any] = {
        folder / "1_Pooling" / CONFIG: width | modes,
        folder / SENTENCE: {"max_seq_length": pooling.max_length, "do_lower_case": pooling.lower_case},
        folder / PROMPTS: prompts | similarity,
    }
    weights = []
    for (path, _), layer in zip(kinds[2:], pooling.dense, strict=False):
        files[folder / path / CONFIG] = _dense_config(layer)
        weights.append(folder / path / safetensors.SINGLE)
        save_file(_dense_tensors(layer), partial(weights[-1]), {"format": "pt"})
    files[folder / MODULES] = entries
    for path, value in files.items():
        write_json(partial(path), value)
    return [*weights, *files]


def _dense_config(layer: Dense) -> dict[str, Any]:
    name = next(name for name, activation in _ACTIVATIONS.items() if activation == layer.activation)
    sizes = {"in_features": layer.kernel.shape[0], "out_features": layer.kernel.shape[1]}
    return {**sizes, "bias": layer.bias is not None, "activation_function": name}


def _dense_tensors(layer: Dense) -> dict[str, np.ndarray]:
    bias = {} if layer.bias is None else {"linear.bias": layer.bias}
    return {"linear.weight": np.ascontiguousarray(layer.kernel.T)} | bias
