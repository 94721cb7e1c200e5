# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Writes generation/FAMILY.npz: what Transformers generates with small random models, for 200 prompts and many options.

    pip install torch "transformers>=5"
    python tests/golden/make_generation_golden.py

Made with torch 2.14.1 and transformers 5.24.0 on CPU, in two minutes. Prompts of one length are given together, so that
none is padded. A file holds

    config, layout, weights    as of make_golden.py
    options                    JSON text: the options of each setting
    prompts                    int8 [200, 9], -1 after the end
    tokens/SETTING             int8 [200, num_return_sequences, 14], -1 after the end
    scores/SETTING             float32 [200, num_return_sequences], of a beam search
"""

import json
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.numpy import load_file

FOLDER = Path(__file__).parent / "generation"
VOCAB, PROMPTS, LONGEST, NEW = 41, 200, 9, 14
GPT2 = transformers.GPT2Config(
    vocab_size=VOCAB, n_embd=16, n_layer=2, n_head=2, n_inner=24, n_positions=32, bos_token_id=1, eos_token_id=2,
    pad_token_id=0, initializer_range=0.4,
)  # fmt: skip
T5 = transformers.T5Config(
    vocab_size=VOCAB, d_model=16, d_kv=6, d_ff=24, num_layers=2, num_decoder_layers=2, num_heads=2,
    decoder_start_token_id=0, pad_token_id=0, eos_token_id=2, initializer_factor=1.5,
)  # fmt: skip
MARIAN = transformers.MarianConfig(
    vocab_size=VOCAB, d_model=16, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2,
    decoder_attention_heads=2, encoder_ffn_dim=24, decoder_ffn_dim=24, max_position_embeddings=32, pad_token_id=40,
    decoder_start_token_id=40, eos_token_id=2, forced_eos_token_id=2, activation_function="swish", scale_embedding=True,
    init_std=0.3,
)  # fmt: skip
MODELS = {
    "gpt2": (transformers.GPT2LMHeadModel, GPT2),
    "t5": (transformers.T5ForConditionalGeneration, T5),
    "marian": (transformers.MarianMTModel, MARIAN),
}
OPTIONS = {
    "beams": dict(num_beams=4, num_return_sequences=4),
    "greedy": dict(repetition_penalty=1.3, no_repeat_ngram_size=2, min_new_tokens=4),
    "several_ends": dict(num_beams=4, num_return_sequences=2),
    "early": dict(num_beams=3, num_return_sequences=3, early_stopping=True, length_penalty=0.6),
    "never": dict(num_beams=5, num_return_sequences=2, early_stopping="never", length_penalty=2.0),
    "short": dict(num_beams=2, early_stopping="never", length_penalty=-1.0),
    "all": dict(
        num_beams=4, num_return_sequences=3, early_stopping=False, length_penalty=1.4, no_repeat_ngram_size=3,
        repetition_penalty=1.2, min_new_tokens=5,
    ),
    "single": dict(num_beams=3, no_repeat_ngram_size=1),
    "forced": dict(num_beams=3, num_return_sequences=3, forced_eos_token_id=2, length_penalty=0.0),
}  # fmt: skip
ONE_END = ("beams", "forced")  # which have the end token of the config, the others two more


def main() -> None:
    for family, (kind, config) in MODELS.items():
        torch.manual_seed(3)
        model = kind(config).eval()
        with torch.no_grad():
            for parameter in model.parameters():  # halves, and norms and biases that are not 1 and 0
                if parameter.requires_grad:  # sinusoidal positions are constants
                    parameter.copy_((parameter + 0.1 * torch.randn_like(parameter)).half().float())
        model.tie_weights()
        np.savez_compressed(FOLDER / f"{family}.npz", **saved(model), **generated(model))


def saved(model) -> dict[str, np.ndarray]:
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        tensors = load_file(Path(folder, "model.safetensors"))
        weights = {name: tensor for name, tensor in tensors.items() if "embed_positions" not in name}
        text = Path(folder, "config.json").read_text()
    flat = np.concatenate([weight.ravel() for weight in weights.values()]).astype(np.float16)
    layout = json.dumps({name: weight.shape for name, weight in weights.items()})
    return {"config": np.array(text), "layout": np.array(layout), "weights": flat}


def generated(model) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    lengths = rng.integers(1, LONGEST + 1, PROMPTS)
    prompts = rng.integers(3, VOCAB - 1, (PROMPTS, LONGEST))
    prompts[np.arange(LONGEST) >= lengths[:, None]] = -1
    arrays, all_options = {"prompts": prompts.astype(np.int8)}, {}
    for name, options in OPTIONS.items():
        options = options | {"eos_token_id": [2] if name in ONE_END else ends(arrays["tokens/beams"])}
        all_options[name] = options
        texts, beams = options.get("num_return_sequences", 1), options.get("num_beams", 1)
        tokens = np.full((PROMPTS, texts, NEW), -1, np.int8)
        scores = np.zeros((PROMPTS, texts), np.float32)
        for length in range(1, LONGEST + 1):
            rows = np.flatnonzero(lengths == length)
            found = generate(model, torch.tensor(prompts[rows, :length]), options)
            for index, (new, score) in enumerate(zip(*found, strict=True)):
                tokens[rows[index // texts], index % texts, : len(new)] = new
                scores[rows[index // texts], index % texts] = score
        arrays |= {f"tokens/{name}": tokens} | ({f"scores/{name}": scores} if beams > 1 else {})
        ended = np.isin(tokens, options["eos_token_id"]).any(2).mean()
        print(type(model).__name__, name, f"{ended:.0%} end, mean length {(tokens >= 0).sum(2).mean():.1f}")
    return arrays | {"options": np.array(json.dumps(all_options))}


def ends(tokens: np.ndarray) -> list[int]:
    """The end token, and two tokens that come often enough to end many texts."""
    counts = np.bincount(tokens[tokens > 2], minlength=VOCAB)
    return [2, *np.argsort(-counts)[[4, 8]].tolist()]


def generate(model, prompts: torch.Tensor, options: dict) -> tuple[list[list[int]], list[float]]:
    """New tokens and scores of each returned text."""
    model.generation_config.forced_eos_token_id = None  # only where an option says so
    common = dict(do_sample=False, max_new_tokens=NEW, return_dict_in_generate=True, output_scores=True)
    out = model.generate(prompts, attention_mask=torch.ones_like(prompts), **common, **options)
    start = 1 if model.config.is_encoder_decoder else prompts.shape[1]
    new = out.sequences[:, start:].tolist()
    if options.get("num_beams", 1) > 1:
        counts = (out.beam_indices >= 0).sum(1).tolist()
        return [row[:count] for row, count in zip(new, counts, strict=True)], out.sequences_scores.tolist()
    ends = options["eos_token_id"]
    cut = [next((i + 1 for i, token in enumerate(row) if token in ends), len(row)) for row in new]
    return [row[:count] for row, count in zip(new, cut, strict=True)], [0.0] * len(new)


if __name__ == "__main__":
    main()
