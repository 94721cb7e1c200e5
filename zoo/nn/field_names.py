# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Refusals of a field or argument that does not exist, with the name that was probably meant."""

import difflib
from collections.abc import Collection, Mapping

# Names of Hugging Face's configs for the same thing.
CONFIG_ALIASES: Mapping[str, str] = {
    "n_layer": "num_layers",
    "n_layers": "num_layers",
    "num_hidden_layers": "num_layers",
    "num_decoder_layers": "decoder_layers",
    "n_embd": "width",
    "d_model": "width",
    "dim": "width",
    "hidden_size": "width",
    "embedding_size": "embed_width",
    "n_head": "num_heads",
    "n_heads": "num_heads",
    "num_attention_heads": "num_heads",
    "d_kv": "kv_width",
    "d_head": "kv_width",
    "head_dim": "kv_width",
    "n_inner": "mlp_width",
    "d_ff": "mlp_width",
    "d_inner": "mlp_width",
    "hidden_dim": "mlp_width",
    "intermediate_size": "mlp_width",
    "n_ctx": "max_length",
    "n_positions": "max_length",
    "max_position_embeddings": "max_length",
    "type_vocab_size": "num_token_types",
    "num_segments": "num_token_types",
    "hidden_act": "activation",
    "activation_function": "activation",
    "layer_norm_eps": "norm_eps",
    "layer_norm_epsilon": "norm_eps",
    "initializer_range": "init_std",
    "hidden_dropout_prob": "hidden_dropout",
    "resid_pdrop": "hidden_dropout",
    "embd_pdrop": "embed_dropout",
    "attn_pdrop": "attention_dropout",
    "attention_probs_dropout_prob": "attention_dropout",
    "tie_word_embeddings": "tie_embeddings",
    "pad_token_id": "pad_id",
    "bos_token_id": "bos_id",
    "eos_token_id": "eos_id",
    "decoder_start_token_id": "decoder_start_id",
    "relative_attention_num_buckets": "position_buckets",
    "relative_attention_max_distance": "position_span",
    "mem_len": "memory_length",
    "clamp_len": "clamp_length",
    "window_size": "attention.window",
    "sliding_window": "attention.window",
    "torch_dtype": "dtype",
    "attn_implementation": "attention_kernel",
    "gradient_checkpointing": "remat",
}


def suggest(name: str, known: Collection[str], aliases: Mapping[str, str]) -> str:
    """The end of a message about an unknown name: the name that was probably meant, or all of them."""
    if name in aliases:
        return f"it is called {aliases[name]!r} here."
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"the names are {', '.join(sorted(known))}."
