# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Half precision, position rows by the padding's id, and the summary of a model."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from zoo.errors import ConfigError
from zoo.models import registry

SMALL = dict(vocab_size=37, width=24, num_layers=2, num_heads=3, kv_width=8, mlp_width=17, max_length=9)
TOKENS = np.random.default_rng(0).integers(4, 37, (2, 7)).astype(np.int32)


@pytest.mark.parametrize("stack", ["scan", "loop"])
@pytest.mark.parametrize("name", ["t5-small", "t5-v1_1-small", "gpt2"])
def test_a_large_feed_forward_network_is_finite_in_float16(name, stack):
    """The sums of the residual stream leave the range of float16, which ends at 65,504."""
    config = zoo.config(name)
    decoder = {} if config.decoder_layers is None else {"decoder_layers": 2}
    ids = dict(eos_id=1, bos_id=1, init_std=1.0)
    head = "causal_lm" if config.decoder_layers is None else "seq2seq_lm"
    logits = {}
    for dtype in ("float16", "float32"):
        model = zoo.create(config.replace(**SMALL, **decoder, **ids, dtype=dtype, stack=stack), head=head)
        for tower in (model.stack, getattr(model, "decoder", None)):
            if tower is not None:
                tower.blocks.mlp.down.kernel[...] = tower.blocks.mlp.down.kernel[...] * 3e4
        out = model(TOKENS, return_hidden_states=True)
        assert out.hidden.dtype == dtype
        logits[dtype] = np.asarray(out.logits, np.float32)
        assert float(jnp.abs(out.hidden_states[1]).max()) > 65_504
    assert np.isfinite(logits["float16"]).all()
    np.testing.assert_allclose(logits["float16"], logits["float32"], atol=0.02 * np.abs(logits["float32"]).max())


@pytest.mark.parametrize("name", ["roberta-base", "xlm-roberta-base", "camembert-base"])
@pytest.mark.parametrize("pad_id", [0, 3])
def test_positions_follow_the_id_of_padding(name, pad_id):
    """Position 0 is row `pad_id + 1`; the rows before it belong to no position, but that of padding to `pad_id`."""
    config = registry.config(name, **SMALL, pad_id=pad_id, bos_id=None, eos_id=None)
    model = zoo.create(config)
    table = model.embed.position.embedding
    assert table.shape[0] == SMALL["max_length"] + pad_id + 1
    before = model(TOKENS).hidden
    table[...] = table[...].at[: pad_id + 1].set(7.0)
    np.testing.assert_array_equal(model(TOKENS).hidden, before)
    table[...] = table[...].at[pad_id + 1].set(7.0)
    assert bool((model(TOKENS).hidden != before).any())
    assert bool(jnp.isfinite(model(np.full((1, 9), 5, np.int32)).hidden).all())


def test_skipped_padding_needs_its_id():
    with pytest.raises(ConfigError, match="needs a pad_id"):
        registry.config("roberta-base", pad_id=None)


@pytest.mark.parametrize(
    ("name", "head"), [("bert-base-uncased", "masked_lm"), ("t5-small", None), ("xlnet-base-cased", "permutation_lm")]
)
def test_a_model_prints_as_a_dozen_lines(name, head):
    config = registry.config(name)
    model = registry.family_of(config).abstract(config, head=head)
    text = repr(model)
    assert text == str(model) and len(text.splitlines()) <= 12
    count = sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model)))
    for part in (config.family, f"{config.vocab_size:,}", str(head), f"{count:,}", "float32"):
        assert part in text


@pytest.mark.usefixtures("unchecked_types")
def test_xlnet_has_no_windows():
    with pytest.raises(ConfigError, match="without windows"):
        zoo.create(registry.config("xlnet-base-cased", **SMALL, attention=dict(window=3)))
