# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""GPT's checkpoints: Transformers' names for its tensors, classes and config keys (transformers 5.x)."""

from zoo.hub.config_fields import ID, ConfigTable, Field
from zoo.hub.families import bert, gpt2
from zoo.hub.family import HubFamily
from zoo.hub.table import HubHead, Row, Table, Tie
from zoo.models import gpt

TABLE = Table(
    prefix="transformer.",
    body=(
        Row("transformer.tokens_embed.weight", "embed.token.embedding"),
        Row("transformer.positions_embed.weight", "embed.position.embedding"),
        *gpt2.layers(),
    ),
    heads={
        None: HubHead("OpenAIGPTModel"),
        "causal_lm": HubHead("OpenAIGPTLMHeadModel", (gpt2.VOCABULARY,)),
        "sequence_classification": HubHead("OpenAIGPTForSequenceClassification", (gpt2.SCORE,), (gpt2.NO_DROPOUT,)),
        # Transformers has no such classes; the names are as it would call them.
        "token_classification": HubHead("OpenAIGPTForTokenClassification", (bert.CLASSIFIER,), (gpt2.DROPOUT,)),
        "question_answering": HubHead("OpenAIGPTForQuestionAnswering", (bert.SPAN,), num_labels=2),
        "multiple_choice": HubHead(
            "OpenAIGPTDoubleHeadsModel",
            (gpt2.VOCABULARY, gpt2.CHOICE),
            gpt2.SUMMARY,
            num_labels=1,
            tied_names=(("transformer.tokens_embed.weight", "lm_head.weight"),),
        ),
    },
    ties=(Tie("lm_head.weight", "transformer.tokens_embed.weight"),),
    buffers=("transformer.position_ids", "transformer.h.{layer}.attn.bias"),
)

# What Transformers calls "gelu" here is the tanh approximation.
ACTIVATIONS = {"gelu": "gelu_tanh", "relu": "relu", "silu": "silu", "swish": "silu"}

CONFIG = ConfigTable(
    model_type="openai-gpt",
    make=gpt.config,
    fields=(
        Field("vocab_size", "vocab_size"),
        Field("n_embd", "width"),
        Field("n_layer", "num_layers"),
        Field("n_head", "num_heads"),
        Field("n_positions", "max_length"),
        Field("afn", "activation", str, "gelu", values=ACTIVATIONS),
        Field("layer_norm_epsilon", "norm_eps", float, 1e-5),
        Field("initializer_range", "init_std", float, 0.02),
        Field("resid_pdrop", "hidden_dropout", float, 0.1),
        Field("embd_pdrop", "embed_dropout", float, 0.1),
        Field("attn_pdrop", "attention_dropout", float, 0.1),
        Field("tie_word_embeddings", "tie_embeddings", bool, True),
        Field("pad_token_id", "pad_id", ID, None),
        Field("bos_token_id", "bos_id", ID, None),
        Field("eos_token_id", "eos_id", ID, None),
    ),
)

FAMILY = HubFamily("gpt", CONFIG, TABLE)
