# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The checkpoints as their authors released them: TensorFlow's names for the tensors, the files of their configs.

These are github.com/google-research/bert, albert and electra, github.com/zihangdai/xlnet, github.com/openai/gpt-2 and
github.com/openai/finetune-transformer-lm. They are read like Transformers', by tables of rows, and mean what that
library made of them: BERT's `gelu` is the exact one, as in its folder on the Hub.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from zoo.errors import ConfigError, FormatError
from zoo.files import read_json
from zoo.hub.families import albert, bert, electra, gpt, gpt2, xlnet
from zoo.hub.fetch import CONFIG
from zoo.hub.formats import npy, tf_checkpoint
from zoo.hub.table import Row, Shape, Table
from zoo.hub.weights import Checkpoint

Shapes = Mapping[str, Shape]
Rows = tuple[Row, ...]

_BLOCKS = "stack.blocks"


def _linear(theirs: str, ours: str) -> Rows:
    return Row(f"{theirs}/kernel", f"{ours}.kernel"), Row(f"{theirs}/bias", f"{ours}.bias")


def _norm(theirs: str, ours: str) -> Rows:
    return Row(f"{theirs}/gamma", f"{ours}.scale"), Row(f"{theirs}/beta", f"{ours}.bias")


def _attention(within: str, out: str) -> Rows:
    """Query, key and value within a scope, and what joins the heads."""
    ours, names = f"{_BLOCKS}.attention", ("query", "key", "value")
    return (
        *(Row(f"{within}/{name}/kernel", f"{ours}.{name}.kernel", "D NH -> D N H") for name in names),
        *(Row(f"{within}/{name}/bias", f"{ours}.{name}.bias", "NH -> N H") for name in names),
        Row(f"{out}/kernel", f"{ours}.out.kernel", "NH D -> N H D"),
        Row(f"{out}/bias", f"{ours}.out.bias"),
    )


def _output(scope: str) -> Rows:
    """The last layer of a head, of which TensorFlow's users kept the kernel as `[out, in]`."""
    kernel = Row(f"{scope}output_weights", "head.classifier.kernel", "C D -> D C")
    return kernel, Row(f"{scope}output_bias", "head.classifier.bias")


def _embeddings(scope: str, projection: str | None = None) -> Rows:
    names = ("token", "word_embeddings"), ("position", "position_embeddings"), ("token_type", "token_type_embeddings")
    return (
        *(Row(f"{scope}/embeddings/{theirs}", f"embed.{ours}.embedding") for ours, theirs in names),
        *_norm(f"{scope}/embeddings/LayerNorm", "embed.norm"),
        *(() if projection is None else _linear(projection, "embed.projection")),
    )


def _encoder(scope: str) -> Rows:
    """The layers of BERT and of ELECTRA's two networks."""
    layer = f"{scope}/encoder/layer_{{layer}}"
    return (
        *_attention(f"{layer}/attention/self", f"{layer}/attention/output/dense"),
        *_norm(f"{layer}/attention/output/LayerNorm", f"{_BLOCKS}.attention_norm"),
        *_linear(f"{layer}/intermediate/dense", f"{_BLOCKS}.mlp.up"),
        *_linear(f"{layer}/output/dense", f"{_BLOCKS}.mlp.down"),
        *_norm(f"{layer}/output/LayerNorm", f"{_BLOCKS}.mlp_norm"),
    )


def _vocabulary(scope: str, transform: str) -> Rows:
    return (
        *_linear(f"{scope}/{transform}dense", "head.transform"),
        *_norm(f"{scope}/{transform}LayerNorm", "head.norm"),
        Row(f"{scope}/output_bias", "head.bias"),
    )


_PAIR = (
    Row("cls/seq_relationship/output_weights", "head.pair.kernel", "C D -> D C"),
    Row("cls/seq_relationship/output_bias", "head.pair.bias"),
)


def _table(hub: Table, body: Rows, parts: Mapping[Rows, Rows], others: Rows = ()) -> Table:
    """Transformers' table with other rows: those of the body, of some parts of heads, and of `others`' models."""
    heads = {
        name: dataclasses.replace(head, parts=tuple(parts.get(part, part) for part in head.parts))
        for name, head in hub.heads.items()
    }
    return Table(prefix="", body=body, heads=heads, buffers=tuple(row.hub for row in others))


_BERT = _table(
    bert.TABLE,
    (*_embeddings("bert"), *_encoder("bert")),
    {
        bert.POOLER: _linear("bert/pooler/dense", "pooler"),
        bert.VOCABULARY: _vocabulary("cls/predictions", "transform/"),
        bert.PAIR: _PAIR,
        bert.CLASSIFIER: _output(""),
        bert.SPAN: _output("cls/squad/"),
    },
)

_GROUP = "bert/encoder/transformer/group_{layer}/inner_group_0"
_ALBERT = _table(
    albert.TABLE,
    (
        *_embeddings("bert", "bert/encoder/embedding_hidden_mapping_in"),
        *_attention(f"{_GROUP}/attention_1/self", f"{_GROUP}/attention_1/output/dense"),
        *_norm(f"{_GROUP}/LayerNorm", f"{_BLOCKS}.attention_norm"),
        *_linear(f"{_GROUP}/ffn_1/intermediate/dense", f"{_BLOCKS}.mlp.up"),
        *_linear(f"{_GROUP}/ffn_1/intermediate/output/dense", f"{_BLOCKS}.mlp.down"),
        *_norm(f"{_GROUP}/LayerNorm_1", f"{_BLOCKS}.mlp_norm"),
    ),
    {
        albert.POOLER: _linear("bert/pooler/dense", "pooler"),
        albert.VOCABULARY: _vocabulary("cls/predictions", "transform/"),
        albert.ORDER: _PAIR,
        bert.CLASSIFIER: _output(""),
        bert.SPAN: _output("cls/squad/"),
    },
)

# One checkpoint holds both networks; they share all of the embeddings but the projection.
_DISCRIMINATOR = (*_embeddings("electra", "electra/embeddings_project"), *_encoder("electra"))
_GENERATOR = (*_embeddings("electra", "generator/embeddings_project"), *_encoder("generator"))
_REPLACED = (
    *_linear("discriminator_predictions/dense", "head.transform"),
    *_linear("discriminator_predictions/dense_1", "head.score"),
)
_FILL = _vocabulary("generator_predictions", "")
_ELECTRA = _table(electra.TABLE, _DISCRIMINATOR, {electra.REPLACED: _REPLACED}, (*_GENERATOR, *_FILL))
_ELECTRA_GENERATOR = _table(electra.TABLE, _GENERATOR, {electra.VOCABULARY: _FILL}, (*_DISCRIMINATOR, *_REPLACED))

_XLNET_LAYER, _XLNET_ATTENTION = "model/transformer/layer_{layer}", f"{_BLOCKS}.attention"
_XLNET = _table(
    xlnet.TABLE,
    (
        Row("model/transformer/word_embedding/lookup_table", "embed.token.embedding"),
        Row("model/transformer/mask_emb/mask_emb", "unknown"),
        *(
            Row(f"{_XLNET_LAYER}/rel_attn/{theirs}/kernel", f"{_XLNET_ATTENTION}.{ours}.kernel")
            for theirs, ours in (("q", "query"), ("k", "key"), ("v", "value"), ("r", "position"))
        ),
        Row(f"{_XLNET_LAYER}/rel_attn/o/kernel", f"{_XLNET_ATTENTION}.out.kernel", "D N H -> N H D"),
        Row("model/transformer/r_w_bias", f"{_XLNET_ATTENTION}.content_bias"),
        Row("model/transformer/r_r_bias", f"{_XLNET_ATTENTION}.position_bias"),
        Row("model/transformer/r_s_bias", f"{_XLNET_ATTENTION}.segment_bias"),
        Row("model/transformer/seg_embed", f"{_XLNET_ATTENTION}.segment"),
        *_norm(f"{_XLNET_LAYER}/rel_attn/LayerNorm", f"{_BLOCKS}.attention_norm"),
        *_linear(f"{_XLNET_LAYER}/ff/layer_1", f"{_BLOCKS}.mlp.up"),
        *_linear(f"{_XLNET_LAYER}/ff/layer_2", f"{_BLOCKS}.mlp.down"),
        *_norm(f"{_XLNET_LAYER}/ff/LayerNorm", f"{_BLOCKS}.mlp_norm"),
    ),
    {xlnet.VOCABULARY: (Row("model/lm_loss/bias", "head.bias"),)},
)


def _gpt_norm(theirs: str, ours: str) -> Rows:
    return Row(f"{theirs}/g", f"{ours}.scale"), Row(f"{theirs}/b", f"{ours}.bias")


def _gpt_linear(theirs: str, ours: str, axes: str = "_ I O -> I O") -> Rows:
    """Their kernels are those of convolutions one token wide."""
    return Row(f"{theirs}/w", f"{ours}.kernel", axes), Row(f"{theirs}/b", f"{ours}.bias")


_GPT_LAYER, _FUSED = "model/h{layer}", tuple(f"{_BLOCKS}.attention.{name}" for name in ("query", "key", "value"))
_GPT_BODY = (
    Row("model/wpe", "embed.position.embedding"),
    Row(f"{_GPT_LAYER}/attn/c_attn/w", tuple(f"{name}.kernel" for name in _FUSED), "_ D 3NH -> D N H"),
    Row(f"{_GPT_LAYER}/attn/c_attn/b", tuple(f"{name}.bias" for name in _FUSED), "3NH -> N H"),
    *_gpt_linear(f"{_GPT_LAYER}/attn/c_proj", f"{_BLOCKS}.attention.out", "_ NH D -> N H D"),
    *_gpt_norm(f"{_GPT_LAYER}/ln_1", f"{_BLOCKS}.attention_norm"),
    *_gpt_linear(f"{_GPT_LAYER}/mlp/c_fc", f"{_BLOCKS}.mlp.up"),
    *_gpt_linear(f"{_GPT_LAYER}/mlp/c_proj", f"{_BLOCKS}.mlp.down"),
    *_gpt_norm(f"{_GPT_LAYER}/ln_2", f"{_BLOCKS}.mlp_norm"),
)
_GPT = _table(gpt.TABLE, (Row("model/we", "embed.token.embedding"), *_GPT_BODY), {})
_GPT2 = _table(
    gpt2.TABLE,
    (Row("model/wte", "embed.token.embedding"), *_GPT_BODY, *_gpt_norm("model/ln_f", "final_norm")),
    {},
)


def _electra_config(shapes: Shapes, head: str | None) -> dict[str, Any]:
    """ELECTRA was released without a config; all its networks have heads of 64 (paper, table 6)."""
    scope = "generator" if head == "masked_lm" else "electra"
    vocab, embed_width = _shape(shapes, "electra/embeddings/word_embeddings", 2)
    width, mlp_width = _shape(shapes, f"{scope}/encoder/layer_0/intermediate/dense/kernel", 2)
    return {
        "vocab_size": vocab,
        "embedding_size": embed_width,
        "hidden_size": width,
        "intermediate_size": mlp_width,
        "num_hidden_layers": _num_layers(shapes, rf"{scope}/encoder/layer_(\d+)/intermediate/dense/kernel"),
        "num_attention_heads": _heads_of_64(width),
        "max_position_embeddings": _shape(shapes, "electra/embeddings/position_embeddings", 2)[0],
        "type_vocab_size": _shape(shapes, "electra/embeddings/token_type_embeddings", 2)[0],
    }


def _gpt_config(shapes: Shapes, head: str | None) -> dict[str, Any]:
    """GPT was released without a config; it has 12 heads of 64 (paper, section 4.1)."""
    vocab, width = _shape(shapes, "model/we", 2)
    return {
        "vocab_size": vocab,
        "n_embd": width,
        "n_head": _heads_of_64(width),
        "n_layer": _num_layers(shapes, r"model/h(\d+)/mlp/c_fc/b"),
        "n_positions": _shape(shapes, "model/wpe", 2)[0],
    }


def _shape(shapes: Shapes, name: str, rank: int) -> Shape:
    if len(shapes.get(name, ())) != rank:
        raise ConfigError(f"{name!r} is not there, or has not {rank} axes; put a config.json beside the weights.")
    return shapes[name]


def _num_layers(shapes: Shapes, pattern: str) -> int:
    return sum(1 for name in shapes if re.fullmatch(pattern, name))


def _heads_of_64(width: int) -> int:
    if width % 64:
        raise ConfigError(f"the width {width} is no multiple of 64; put a config.json beside the weights.")
    return width // 64


@dataclasses.dataclass(frozen=True, kw_only=True)
class Release:
    """How one family was released.

    Attributes:
      scope: what the name of some tensor of every model starts with.
      tables: the table for a head, or for all others under None.
      config_file: what its authors called their config, which Transformers reads but for the keys in `renamed`.
      infer: what config.json would say by the tensors' shapes and the head, where there is no such file.
    """

    scope: str
    tables: Mapping[str | None, Table]
    config_file: str | None = None
    renamed: Mapping[str, str] = dataclasses.field(default_factory=dict)
    infer: Callable[[Shapes, str | None], dict[str, Any]] | None = None

    def is_scope_of(self, name: str) -> bool:
        return name.startswith(self.scope)

    def table(self, head: str | None) -> Table:
        return self.tables.get(head, self.tables[None])


# By the family's `model_type`; where two have the same scope, their config's name tells which it is.
RELEASES = {
    "bert": Release(scope="bert/", tables={None: _BERT}, config_file="bert_config.json"),
    "albert": Release(scope="bert/", tables={None: _ALBERT}, config_file="albert_config.json"),
    "electra": Release(
        scope="electra/", tables={None: _ELECTRA, "masked_lm": _ELECTRA_GENERATOR}, infer=_electra_config
    ),
    "xlnet": Release(
        scope="model/transformer/",
        tables={None: _XLNET},
        config_file="xlnet_config.json",
        renamed={"n_token": "vocab_size"},
    ),
    "gpt2": Release(
        scope="model/wte",
        tables={None: _GPT2},
        config_file="hparams.json",
        renamed={"n_vocab": "vocab_size", "n_ctx": "n_positions"},
    ),
    "openai-gpt": Release(scope="model/we", tables={None: _GPT}, infer=_gpt_config),
}


def table(model_type: str, head: str | None, path: Path) -> Table:
    """The table for a release of that family; FormatError if there was none."""
    if model_type not in RELEASES:
        known = ", ".join(RELEASES)
        raise FormatError(f"{path}: no release of {model_type} in this form is known; known are those of {known}.")
    return RELEASES[model_type].table(head)


def hub_config(checkpoint: Checkpoint, head: str | None) -> tuple[dict[str, Any], Path]:
    """What config.json would say of a release without one, of the first head that it holds whole; and the file read.

    Raises:
      FormatError: neither a config.json nor the authors' config. ConfigError: a config that lacks what is needed.
    """
    folder, file = checkpoint.folder, checkpoint.file
    if checkpoint.form != "original" or file is None:
        return _config_beside(folder)
    shapes = npy.read_shapes(file) if file.name == npy.SHAPES else tf_checkpoint.read_shapes(file)
    scoped = {kind: release for kind, release in RELEASES.items() if any(map(release.is_scope_of, shapes))}
    for model_type, release in scoped.items():
        said_by = file if release.config_file is None else folder / release.config_file
        if said_by.exists():
            config = _config_of(release, shapes, head, said_by)
            classes = [_class_held(release.table(head), shapes)]
            return {**config, "model_type": model_type, "architectures": classes}, said_by
    if not scoped:
        example, known = next(iter(shapes), None), ", ".join(RELEASES)
        raise FormatError(f"{file}: its tensors, such as {example!r}, are of no known release: those of {known}.")
    files = [str(release.config_file) for release in scoped.values()]
    raise FormatError(f"{folder} lacks {' or '.join([CONFIG, *files])}; put one beside {file.name}.")


def _config_beside(folder: Path) -> tuple[dict[str, Any], Path]:
    """The authors' config beside weights that were converted to torch (`bert_config.json`, as in 2019)."""
    for model_type, release in RELEASES.items():
        if release.config_file is not None and (file := folder / release.config_file).exists():
            return {**_renamed(release, file), "model_type": model_type}, file
    return read_json(folder / CONFIG), folder / CONFIG  # its error says what is missing


def _renamed(release: Release, file: Path) -> dict[str, Any]:
    return {release.renamed.get(key, key): value for key, value in read_json(file).items()}


def _config_of(release: Release, shapes: Shapes, head: str | None, said_by: Path) -> dict[str, Any]:
    if release.infer is None:
        return _renamed(release, said_by)
    try:
        return release.infer(shapes, head)
    except ConfigError as error:
        raise ConfigError(f"{said_by}: {error}") from None


def _class_held(table: Table, shapes: Shapes) -> str:
    """The class of the first head whose tensors are all there."""
    for name, head in table.heads.items():
        rows = [row for part in head.parts for row in part if row.when in ("tied", "always")]
        if name is not None and all(row.hub in shapes for row in rows):
            return head.hub_class
    return table.heads[None].hub_class
