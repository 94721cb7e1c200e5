# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""GPT-2's checkpoints: the torch library's names for its tensors, classes and config keys (transformers 5.x).

Its layers are `Conv1D`s, whose kernels lie as ours do, [in, out]; query, key and value are fused in one.
"""

from zoo.convert.config import ACTIVATIONS, ConfigTable, Field
from zoo.convert.table import HubHead, Row, Table, Tie
from zoo.models import gpt2


def _pair(hub: str, ours: str, kernel: str = "kernel", axes: str | None = None) -> tuple[Row, Row]:
    return Row(f"{hub}.weight", f"{ours}.{kernel}", axes), Row(f"{hub}.bias", f"{ours}.bias")


_LAYER, _BLOCKS = "transformer.h.{layer}", "stack.blocks"
_FUSED = [f"{_BLOCKS}.attention.{name}" for name in ("query", "key", "value")]

BODY = (
    Row("transformer.wte.weight", "embed.token.embedding"),
    Row("transformer.wpe.weight", "embed.position.embedding"),
    Row(f"{_LAYER}.attn.c_attn.weight", tuple(f"{name}.kernel" for name in _FUSED), "D 3NH -> D N H"),
    Row(f"{_LAYER}.attn.c_attn.bias", tuple(f"{name}.bias" for name in _FUSED), "3NH -> N H"),
    *_pair(f"{_LAYER}.attn.c_proj", f"{_BLOCKS}.attention.out", axes="NH D -> N H D"),
    *_pair(f"{_LAYER}.ln_1", f"{_BLOCKS}.attention_norm", "scale"),
    *_pair(f"{_LAYER}.mlp.c_fc", f"{_BLOCKS}.mlp.up"),
    *_pair(f"{_LAYER}.mlp.c_proj", f"{_BLOCKS}.mlp.down"),
    *_pair(f"{_LAYER}.ln_2", f"{_BLOCKS}.mlp_norm", "scale"),
    *_pair("transformer.ln_f", "final_norm", "scale"),
)
VOCABULARY = (Row("lm_head.weight", "head.vocabulary.kernel", "V D -> D V", when="untied"),)
_TORCH_LINEAR = "C D -> D C"

# The library drops nothing before `score`, and elsewhere 0.1 unless told otherwise.
_NO_DROPOUT = Field("classifier_dropout", "classifier_dropout", float, lambda hub: 0.0)
_DROPOUT = Field("classifier_dropout", "classifier_dropout", float, lambda hub: 0.1)
_SUMMARY = (
    Field("summary_first_dropout", "classifier_dropout", float, lambda hub: 0.1),
    Field("summary_type", None, str, "cls_index", only=("cls_index",)),
    Field("summary_use_proj", None, bool, True, only=(True,)),
    Field("summary_proj_to_labels", None, bool, True, only=(True,)),
    Field("summary_activation", None, (str, type(None)), None, only=(None,)),
)

TABLE = Table(
    prefix="transformer.",
    body=BODY,
    heads={
        None: HubHead("GPT2Model"),
        "causal_lm": HubHead("GPT2LMHeadModel", (VOCABULARY,)),
        "sequence_classification": HubHead(
            "GPT2ForSequenceClassification",
            ((Row("score.weight", "head.classifier.kernel", _TORCH_LINEAR),),),
            (_NO_DROPOUT,),
        ),
        "token_classification": HubHead(
            "GPT2ForTokenClassification", (_pair("classifier", "head.classifier", axes=_TORCH_LINEAR),), (_DROPOUT,)
        ),
        "question_answering": HubHead(
            "GPT2ForQuestionAnswering", (_pair("qa_outputs", "head.classifier", axes=_TORCH_LINEAR),)
        ),
        "multiple_choice": HubHead(
            "GPT2DoubleHeadsModel",
            (VOCABULARY, _pair("multiple_choice_head.summary", "head.classifier", axes=_TORCH_LINEAR)),
            _SUMMARY,
            num_labels=1,
        ),
    },
    ties=(Tie("lm_head.weight", "transformer.wte.weight"),),
    buffers=("transformer.h.{layer}.attn.bias", "transformer.h.{layer}.attn.masked_bias"),
)

_ID = (int, type(None))

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
        Field("pad_token_id", "pad_id", _ID, None),
        Field("bos_token_id", "bos_id", _ID, 50256),
        Field("eos_token_id", "eos_id", _ID, 50256),
        Field("add_cross_attention", None, bool, False, only=(False,)),
        Field("scale_attn_by_inverse_layer_idx", None, bool, False, only=(False,)),
    ),
)
