# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Makes `tests/golden/flax/*`: folders as the Hub's library wrote them from Flax, and what its models compute.

pip install "transformers==4.57.6" "jax==0.6.2" "flax==0.10.6"
python tests/golden/make_flax_files.py [NAME ...]
"""

import os

os.environ["JAX_PLATFORMS"] = "cpu"

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import transformers

FOLDER = Path(__file__).parent / "flax"
BERT = dict(
    vocab_size=11,
    hidden_size=6,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=7,
    max_position_embeddings=9,
)
CASES = {
    "bert": ("BertForMaskedLM", BERT),
    "roberta": ("RobertaForSequenceClassification", BERT | {"max_position_embeddings": 11}),
    "albert": ("AlbertForPreTraining", BERT | {"embedding_size": 5}),
    "electra": ("ElectraForMaskedLM", BERT | {"embedding_size": 5}),
    "distilbert": (
        "DistilBertForMaskedLM",
        dict(vocab_size=11, dim=6, n_layers=2, n_heads=2, hidden_dim=7, max_position_embeddings=9),
    ),
    "gpt2": ("GPT2LMHeadModel", dict(vocab_size=11, n_embd=6, n_layer=2, n_head=2, n_inner=7, n_positions=9)),
    "gpt-neo": (
        "GPTNeoForCausalLM",
        dict(vocab_size=11, hidden_size=6, num_layers=2, num_heads=2, intermediate_size=7, max_position_embeddings=9)
        | dict(attention_types=[[["global", "local"], 1]], window_size=2),
    ),
    "t5": (
        "T5ForConditionalGeneration",
        dict(vocab_size=11, d_model=6, d_kv=4, d_ff=7, num_layers=2, num_heads=2, relative_attention_num_buckets=8)
        | dict(decoder_start_token_id=0, feed_forward_proj="gated-gelu", tie_word_embeddings=False),
    ),
    "marian": (
        "MarianMTModel",
        dict(vocab_size=11, d_model=6, encoder_layers=2, decoder_layers=1, encoder_attention_heads=2)
        | dict(decoder_attention_heads=2, encoder_ffn_dim=7, decoder_ffn_dim=7, max_position_embeddings=9)
        | dict(pad_token_id=10, decoder_start_token_id=10, eos_token_id=0, forced_eos_token_id=0),
    ),
}


def main(names: list[str]) -> None:
    for number, (name, (hub_class, config)) in enumerate(CASES.items()):
        if names and name not in names:
            continue
        model_class = getattr(transformers, f"Flax{hub_class}")
        config = _config(hub_class, config)
        model = model_class(config, seed=number)
        leaves, tree = jax.tree.flatten(model.params)
        rng = np.random.default_rng(number)
        model.params = jax.tree.unflatten(
            tree,
            [jnp.asarray(0.3 * rng.standard_normal(leaf.shape), jnp.float16).astype(jnp.float32) for leaf in leaves],
        )
        config.architectures = [hub_class]
        model.save_pretrained(FOLDER / name)
        tokens = rng.integers(3, 11, (2, 7))
        types = {"token_type_ids": np.zeros_like(tokens)} if getattr(config, "type_vocab_size", 0) else {}
        targets = {"decoder_tokens": rng.integers(3, 11, (2, 5))} if config.is_encoder_decoder else {}
        decoder = {"decoder_input_ids": targets["decoder_tokens"]} if targets else {}
        out = model(tokens, **types, **decoder)  # Flax's ELECTRA has ones there if it is not told
        logits = out.prediction_logits if "prediction_logits" in out else out.logits
        ids = {"tokens": tokens, **targets}
        arrays = {name: array.astype(np.int32) for name, array in ids.items()} | {"logits": np.asarray(logits)}
        np.savez_compressed(FOLDER / name / "expected.npz", **arrays)
        print(name, sum(file.stat().st_size for file in (FOLDER / name).iterdir()), "bytes")


def _config(hub_class: str, fields: dict):
    prefix = hub_class.split("For")[0].removesuffix("LMHeadModel").removesuffix("MTModel")
    return getattr(transformers, f"{prefix}Config")(**fields)


if __name__ == "__main__":
    main(sys.argv[1:])
