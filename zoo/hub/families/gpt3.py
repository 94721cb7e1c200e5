# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""GPT-Neo's checkpoints (transformers 5.x), and folders of our own for GPT-3, which Transformers does not have.

A GPT-3 folder has GPT-2's tensors and keys, and GPT-Neo's keys for the attention pattern.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

from zoo.errors import ConfigError
from zoo.hub.config_fields import ACTIVATIONS, ID, ConfigTable, Field
from zoo.hub.families import bert, gpt2
from zoo.hub.family import HubFamily
from zoo.hub.rows import from_heads, linear, norm, to_heads
from zoo.hub.table import HubHead, Row
from zoo.models import gpt3
from zoo.nn.config import AttentionConfig, TransformerConfig

_LAYER, _BLOCKS = "transformer.h.{layer}", "stack.blocks"
_ATTENTION = f"{_LAYER}.attn.attention"

NEO_BODY = (
    Row("transformer.wte.weight", "embed.token.embedding"),
    Row("transformer.wpe.weight", "embed.position.embedding"),
    *to_heads(f"{_ATTENTION}.q_proj", f"{_BLOCKS}.attention.query")[:1],
    *to_heads(f"{_ATTENTION}.k_proj", f"{_BLOCKS}.attention.key")[:1],
    *to_heads(f"{_ATTENTION}.v_proj", f"{_BLOCKS}.attention.value")[:1],
    *from_heads(f"{_ATTENTION}.out_proj", f"{_BLOCKS}.attention.out"),
    *norm(f"{_LAYER}.ln_1", f"{_BLOCKS}.attention_norm"),
    *linear(f"{_LAYER}.mlp.c_fc", f"{_BLOCKS}.mlp.up"),
    *linear(f"{_LAYER}.mlp.c_proj", f"{_BLOCKS}.mlp.down"),
    *norm(f"{_LAYER}.ln_2", f"{_BLOCKS}.mlp_norm"),
    *norm("transformer.ln_f", "final_norm"),
)

NEO_TABLE = dataclasses.replace(
    gpt2.TABLE,
    body=NEO_BODY,
    heads={
        None: HubHead("GPTNeoModel"),
        "causal_lm": HubHead("GPTNeoForCausalLM", (gpt2.VOCABULARY,)),
        "sequence_classification": HubHead("GPTNeoForSequenceClassification", (gpt2.SCORE,), (gpt2.NO_DROPOUT,)),
        "token_classification": HubHead("GPTNeoForTokenClassification", (bert.CLASSIFIER,), (gpt2.DROPOUT,)),
        "question_answering": HubHead("GPTNeoForQuestionAnswering", (bert.SPAN,)),
    },
    buffers=(f"{_ATTENTION}.bias", f"{_ATTENTION}.masked_bias"),
)

_KINDS = {"global": False, "local": True}


def _encode_pattern(config: TransformerConfig) -> list:
    """`[[kinds of one period, number of periods]]`."""
    pattern = config.attention.window
    return [[["global" if window is None else "local" for window in pattern], config.num_layers // len(pattern)]]


def _encode_window(config: TransformerConfig) -> int:
    windows = {window for window in config.attention.window if window is not None} or {gpt3.WINDOW}
    if len(windows) > 1:
        raise ConfigError(f"config.json has one window for all layers; the pattern has {sorted(windows)}.")
    return windows.pop()


def _decode_pattern(periods: list, window: int, num_layers: int) -> tuple[int | None, ...]:
    """The shortest pattern that is repeated over the depth."""
    kinds: list[bool] = []
    try:
        for names, times in periods:
            if not 0 < times * len(names) <= num_layers:
                raise ValueError("no such number of layers")
            kinds += [_KINDS[name] for name in names] * times
            if len(kinds) > num_layers:
                break
    except (KeyError, TypeError, ValueError):
        raise ConfigError(
            f'\'attention_types\' must be [[["global", "local"], times]] for {num_layers} layers; found '
            f"{periods!r:.80}."
        ) from None
    if len(kinds) != num_layers:
        raise ConfigError(f"'attention_types' describes {len(kinds)} layers or more; the model has {num_layers}.")
    lengths = (length for length in range(1, num_layers + 1) if num_layers % length == 0)
    period = next(length for length in lengths if kinds == kinds[:length] * (num_layers // length))
    return tuple(window if local else None for local in kinds[:period])


def _maker(base: Callable[..., TransformerConfig], attention: AttentionConfig) -> Callable[..., TransformerConfig]:
    """The family's config function, with the pattern that config.json declares."""

    def make(
        *, attention_types: list | None, attention_layers: list | None, window: int, num_layers: int, **fields: Any
    ) -> TransformerConfig:
        periods = [[["global", "local"], 12]] if attention_types is None else attention_types
        # Transformers lets the list of all layers win over the periods.
        periods = periods if attention_layers is None else [[attention_layers, 1]]
        pattern = _decode_pattern(periods, window, num_layers)
        return base(num_layers=num_layers, attention=dataclasses.replace(attention, window=pattern), **fields)

    return make


_PATTERN = (
    Field("attention_types", "attention_types", (list, type(None)), None, encode=_encode_pattern),
    Field("attention_layers", "attention_layers", (list, type(None)), None, read_only=True),
    Field("window_size", "window", int, gpt3.WINDOW, encode=_encode_window),
)

NEO_CONFIG = ConfigTable(
    model_type="gpt_neo",
    make=_maker(gpt3.neo_config, gpt3.NEO_ATTENTION),
    fields=(
        Field("vocab_size", "vocab_size"),
        Field("hidden_size", "width"),
        Field("num_layers", "num_layers"),
        Field("num_heads", "num_heads"),
        Field("max_position_embeddings", "max_length", default=2048),
        Field("intermediate_size", "mlp_width", default=lambda hub: 4 * hub["hidden_size"]),
        Field("activation_function", "activation", str, "gelu_new", values=ACTIVATIONS),
        Field("layer_norm_epsilon", "norm_eps", float, 1e-5),
        Field("initializer_range", "init_std", float, 0.02),
        Field("resid_dropout", "hidden_dropout", float, 0.0),
        Field("embed_dropout", "embed_dropout", float, 0.0),
        Field("attention_dropout", "attention_dropout", float, 0.0),
        Field("tie_word_embeddings", "tie_embeddings", bool, True),
        Field("pad_token_id", "pad_id", ID, None),
        Field("bos_token_id", "bos_id", ID, 50256),
        Field("eos_token_id", "eos_id", ID, 50256),
        *_PATTERN,
    ),
)

TABLE = dataclasses.replace(
    gpt2.TABLE,
    heads={
        head: dataclasses.replace(gpt2.TABLE.heads[head], hub_class=neo.hub_class.replace("GPTNeo", "GPT3"))
        for head, neo in NEO_TABLE.heads.items()
    },
)

CONFIG = ConfigTable(
    model_type="gpt3", make=_maker(gpt3.config, gpt3.ATTENTION), fields=(*gpt2.CONFIG.fields, *_PATTERN)
)

FAMILIES = (
    HubFamily("gpt3", CONFIG, TABLE, in_transformers=False),
    HubFamily("gpt-neo", NEO_CONFIG, NEO_TABLE),
)
