# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The weight tables of the original releases: TensorFlow's and OpenAI's names for the tensors.

They have the heads of Transformers' tables, with other rows. `zoo.hub.originals` names the releases.
"""

import dataclasses
from collections.abc import Mapping

from zoo.hub.families import albert, bert, electra, gpt, gpt2, xlnet
from zoo.hub.table import Row, Table

Rows = tuple[Row, ...]

_BLOCKS = "stack.blocks"


def _linear(theirs: str, ours: str) -> Rows:
    return Row(f"{theirs}/kernel", f"{ours}.kernel"), Row(f"{theirs}/bias", f"{ours}.bias")


def _norm(theirs: str, ours: str) -> Rows:
    return Row(f"{theirs}/gamma", f"{ours}.scale"), Row(f"{theirs}/beta", f"{ours}.bias")


def _attention(within: str, out: str) -> Rows:
    """Query, key and value within a scope, and the output projection."""
    ours, names = f"{_BLOCKS}.attention", ("query", "key", "value")
    return (
        *(Row(f"{within}/{name}/kernel", f"{ours}.{name}.kernel", "D NH -> D N H") for name in names),
        *(Row(f"{within}/{name}/bias", f"{ours}.{name}.bias", "NH -> N H") for name in names),
        Row(f"{out}/kernel", f"{ours}.out.kernel", "NH D -> N H D"),
        Row(f"{out}/bias", f"{ours}.out.bias"),
    )


def _output(scope: str) -> Rows:
    """The last layer of a head, whose kernel is `[out, in]` in these releases."""
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
    """Transformers' table with other rows, for the body and parts of heads; `others` are ignored in a file."""
    heads = {
        name: dataclasses.replace(head, parts=tuple(parts.get(part, part) for part in head.parts))
        for name, head in hub.heads.items()
    }
    return Table(prefix="", body=body, heads=heads, buffers=tuple(row.hub for row in others))


BERT = _table(
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
ALBERT = _table(
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
ELECTRA = _table(electra.TABLE, _DISCRIMINATOR, {electra.REPLACED: _REPLACED}, (*_GENERATOR, *_FILL))
ELECTRA_GENERATOR = _table(electra.TABLE, _GENERATOR, {electra.VOCABULARY: _FILL}, (*_DISCRIMINATOR, *_REPLACED))

_XLNET_LAYER, _XLNET_ATTENTION = "model/transformer/layer_{layer}", f"{_BLOCKS}.attention"
XLNET = _table(
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
    """Their kernels are those of convolutions of width 1."""
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
GPT = _table(gpt.TABLE, (Row("model/we", "embed.token.embedding"), *_GPT_BODY), {})
GPT2 = _table(
    gpt2.TABLE,
    (Row("model/wte", "embed.token.embedding"), *_GPT_BODY, *_gpt_norm("model/ln_f", "final_norm")),
    {},
)
