# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A config refuses what cannot work, and says how to fix it."""

import subprocess
import sys

import pytest

from zoo.errors import ConfigError
from zoo.nn.config import AttentionConfig, TransformerConfig

pytestmark = pytest.mark.usefixtures("unchecked_types")

CONFIG = TransformerConfig(
    family="bert", vocab_size=37, width=15, num_layers=4, num_heads=3, mlp_width=17, max_length=11
)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(width=True), "width must be int; found True"),
        (dict(width=15.0), "width must be int"),
        (dict(hidden_dropout=None), "hidden_dropout must be a finite float"),
        (dict(norm_eps=float("nan")), "norm_eps must be a finite float"),
        (dict(dtype="int32"), "floating-point dtype, such as 'bfloat16'; found 'int32'"),
        (dict(param_dtype="float33"), "floating-point dtype"),
        (dict(positions="distances"), "needs an even width"),
        (dict(decoder_layers=0), "decoder_layers must be between 1"),
        (dict(position_buckets=2), "position_buckets must be between 4"),
        (dict(hidden_dropout=1.0), "below 1"),
        (dict(norm="batch"), "'layer', 'rms'"),
        (dict(num_heads=4), "is not divisible by"),
        (dict(num_layers=0), "between 1"),
        (dict(num_layers=10**12), "between 1"),
        (dict(unique_layers=5), "more than num_layers"),
        (dict(pad_positions="skipped", pad_id=None), "needs a pad_id"),
        (dict(label_names=("a", "b", "c")), "3 names"),
        (dict(hiden_dropout=0.1), "no field 'hiden_dropout'; did you mean 'hidden_dropout'"),
        (dict(n_layer=3), "no field 'n_layer'; it is called 'num_layers' here"),
        (dict(hidden_size=3), "it is called 'width' here"),
        (dict(dytpe="bfloat16"), "did you mean 'dtype'"),
        (dict(attention_kernel="cuda"), "attention_kernel must be"),
        (dict(attention=dict(pattern=None)), "no field 'pattern'; it is called 'window' here"),
        (dict(attention=AttentionConfig(window=(None, 2, 3))), "which a scan needs"),
    ],
)
def test_refuses(changes, message):
    with pytest.raises(ConfigError, match=message):
        CONFIG.replace(**changes)


@pytest.mark.parametrize("window", [(), (0,), [None], 0, True])
def test_refuses_window(window):
    with pytest.raises(ConfigError, match="window"):
        AttentionConfig(window=window)


def test_derived_sizes():
    assert (CONFIG.head_width, CONFIG.embedding_width, CONFIG.layers_stored) == (5, 15, 4)
    shared = CONFIG.replace(unique_layers=2, embed_width=7)
    assert (shared.embedding_width, shared.layers_stored) == (7, 2)


def test_replace_takes_the_fields_of_execution_by_their_names():
    found = CONFIG.replace(num_layers=2, dtype="bfloat16", stack="loop", attention=dict(window=3))
    assert (found.execution.dtype, found.execution.stack, found.execution.remat) == ("bfloat16", "loop", "none")
    assert (found.num_layers, found.attention.window, found.attention.bias) == (2, (3,), "all")
    assert found.replace(execution=CONFIG.execution, remat="full").execution == CONFIG.replace(remat="full").execution


def test_one_window_is_a_tuple():
    assert AttentionConfig(window=None).window == (None,) and AttentionConfig(window=4).window == (4,)


def test_a_config_needs_no_jax():
    code = "import sys, zoo.nn.config; sys.exit('jax' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
