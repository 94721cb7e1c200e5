# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""GPT-2's checkpoints: Transformers' names for its tensors, classes and config keys (transformers 5.x).

Its layers are `Conv1D`s, whose kernels are [in, out] as ours are; query, key and value are fused in one.
"""

from zoo.hub.config_fields import ACTIVATIONS, ID, ConfigTable, Field
from zoo.hub.families import bert
from zoo.hub.family import HubFamily
from zoo.hub.rows import conv1d, linear, norm
from zoo.hub.table import HubHead, Row, Table, Tie
from zoo.models import gpt2


def layers(blocks: str = "stack.blocks") -> tuple[Row, ...]:
    """The layers, as GPT names them too."""
    layer, fused = "transformer.h.{layer}", [f"{blocks}.attention.{name}" for name in ("query", "key", "value")]
    return (
        Row(f"{layer}.attn.c_attn.weight", tuple(f"{name}.kernel" for name in fused), "D 3NH -> D N H"),
        Row(f"{layer}.attn.c_attn.bias", tuple(f"{name}.bias" for name in fused), "3NH -> N H"),
        Row(f"{layer}.attn.c_proj.weight", f"{blocks}.attention.out.kernel", "NH D -> N H D"),
        Row(f"{layer}.attn.c_proj.bias", f"{blocks}.attention.out.bias"),
        *norm(f"{layer}.ln_1", f"{blocks}.attention_norm"),
        *conv1d(f"{layer}.mlp.c_fc", f"{blocks}.mlp.up"),
        *conv1d(f"{layer}.mlp.c_proj", f"{blocks}.mlp.down"),
        *norm(f"{layer}.ln_2", f"{blocks}.mlp_norm"),
    )


BODY = (
    Row("transformer.wte.weight", "embed.token.embedding"),
    Row("transformer.wpe.weight", "embed.position.embedding"),
    *layers(),
    *norm("transformer.ln_f", "final_norm"),
)
VOCABULARY = (Row("lm_head.weight", "head.vocabulary.kernel", "V D -> D V", when="untied"),)
SCORE = (Row("score.weight", "head.classifier.kernel", "C D -> D C"),)
CHOICE = linear("multiple_choice_head.summary", "head.classifier")

# Transformers drops nothing before `score`, and elsewhere 0.1 unless configured otherwise.
NO_DROPOUT = Field("classifier_dropout", "classifier_dropout", float, lambda hub: 0.0)
DROPOUT = Field("classifier_dropout", "classifier_dropout", float, lambda hub: 0.1)
SUMMARY = (
    Field("summary_first_dropout", "classifier_dropout", float, lambda hub: 0.1),
    Field("summary_type", None, str, "cls_index", only=("cls_index",)),
    Field("summary_use_proj", None, bool, True, only=(True,)),
    Field("summary_proj_to_labels", None, bool, True, only=(True,)),
    Field("summary_activation", None, (str, type(None)), None, only=(None,)),
)

BUFFERS = ("transformer.h.{layer}.attn.bias", "transformer.h.{layer}.attn.masked_bias")

TABLE = Table(
    prefix="transformer.",
    body=BODY,
    heads={
        None: HubHead("GPT2Model"),
        "causal_lm": HubHead("GPT2LMHeadModel", (VOCABULARY,)),
        "sequence_classification": HubHead("GPT2ForSequenceClassification", (SCORE,), (NO_DROPOUT,)),
        "token_classification": HubHead("GPT2ForTokenClassification", (bert.CLASSIFIER,), (DROPOUT,)),
        "question_answering": HubHead("GPT2ForQuestionAnswering", (bert.SPAN,)),
        "multiple_choice": HubHead("GPT2DoubleHeadsModel", (VOCABULARY, CHOICE), SUMMARY, num_labels=1),
    },
    ties=(Tie("lm_head.weight", "transformer.wte.weight"),),
    buffers=BUFFERS,
)

CONFIG = ConfigTable(
    model_type="gpt2",
    make=gpt2.config,
    fields=(
        Field("vocab_size", "vocab_size"),
        Field("n_embd", "width"),
        Field("n_layer", "num_layers"),
        Field("n_head", "num_heads"),
        Field("n_positions", "max_length"),
        Field("n_inner", "mlp_width", default=lambda hub: 4 * hub["n_embd"]),
        Field("activation_function", "activation", str, "gelu_new", values=ACTIVATIONS),
        Field("layer_norm_epsilon", "norm_eps", float, 1e-5),
        Field("initializer_range", "init_std", float, 0.02),
        Field("resid_pdrop", "hidden_dropout", float, 0.1),
        Field("embd_pdrop", "embed_dropout", float, 0.1),
        Field("attn_pdrop", "attention_dropout", float, 0.1),
        Field("scale_attn_weights", "attention.scale", bool, True, values={True: None, False: 1.0}),
        Field("tie_word_embeddings", "tie_embeddings", bool, True),
        Field("pad_token_id", "pad_id", ID, None),
        Field("bos_token_id", "bos_id", ID, 50256),
        Field("eos_token_id", "eos_id", ID, 50256),
        Field("add_cross_attention", None, bool, False, only=(False,)),
        Field("scale_attn_by_inverse_layer_idx", None, bool, False, only=(False,)),
        Field("reorder_and_upcast_attn", None, bool, False),  # scores are float32 here, whatever it is
    ),
)

FAMILY = HubFamily("gpt2", CONFIG, TABLE)
