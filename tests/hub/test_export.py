# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What `zoo.save` writes, Transformers loads whole, and computes the same with: every family, every head.

Needs the extra `parity`; run by `make test-slow` where it is installed. `-s` prints the error of each head.
"""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from zoo.hub.save import save
from zoo.hub.tables import FAMILIES
from zoo.models import registry
from zoo.nn.encoder_decoder import EncoderDecoder

torch = pytest.importorskip("torch", reason="needs the extra `parity`")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    transformers = pytest.importorskip("transformers", reason="needs the extra `parity`")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

SIZES = dict(vocab_size=43, width=21, num_layers=4, num_heads=3, mlp_width=23, max_length=17, num_labels=5)
HEADS = [
    (family, head)
    for family, hub in FAMILIES.items()
    for head, row in hub.weights.heads.items()
    if hasattr(transformers, row.hub_class)
]


def _model(family: str, head: str | None, **changes):
    """Random values everywhere, biases and scales included."""
    kind = registry.FAMILIES[family]
    even = {"width": 24} if family == "xlnet" else {}  # its encoding of distances is even
    config = kind.suit(next(iter(kind.sizes.values())).replace(**(SIZES | even | changes)), head)
    if config.pad_id is None or config.pad_id >= config.vocab_size:
        config = config.replace(pad_id=0)
    if family == "gpt":
        config = config.replace(mlp_width=4 * config.width)  # Transformers has no key for another
    if family == "t5" and not config.tie_embeddings:
        config = config.replace(logits_scale="none")
    if config.decoder_layers is not None:
        config = config.replace(decoder_layers=3, decoder_start_id=0, eos_id=1, kv_width=config.kv_width and 5)
    graphdef, params = nnx.split(kind.build(config, head=head, rngs=nnx.Rngs(0)))
    leaves, treedef = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    noisy = [leaf + 0.2 * jax.random.normal(key, leaf.shape) for key, leaf in zip(keys, leaves, strict=True)]
    return nnx.merge(graphdef, jax.tree.unflatten(treedef, noisy))


@pytest.mark.parametrize("when", ["tied", "untied"])
@pytest.mark.parametrize(("family", "head"), HEADS)
def test_transformers_loads_what_we_save(family, head, when, tmp_path):
    model = _model(family, head, tie_embeddings=when == "tied")
    save(model, tmp_path, max_shard_bytes=20_000)
    hub_class = getattr(transformers, FAMILIES[family].weights.heads[head].hub_class)
    theirs, info = hub_class.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs")), info

    shape = (2, 3, 7) if head == "multiple_choice" else (2, 7)
    tokens = np.random.default_rng(0).integers(2, 43, shape)
    ours, others = {}, {}
    if model.config.decoder_layers is not None:
        tokens[:, -1] = model.config.eos_id
    if isinstance(model, EncoderDecoder) and head != "sequence_classification":
        targets = np.random.default_rng(1).integers(2, 43, (2, 5))
        ours, others = (
            {"decoder_tokens": jnp.asarray(targets, jnp.int32)},
            {"decoder_input_ids": torch.from_numpy(targets)},
        )
    with jax.default_matmul_precision("highest"):
        out = model(jnp.asarray(tokens, jnp.int32), **ours)
    with torch.no_grad():
        found = theirs.eval()(torch.from_numpy(tokens), return_dict=True, **others)
    worst = max(float(np.abs(ours - theirs.numpy()).max()) for ours, theirs in _pairs(out, found))
    print(f"\n{family:11} {head!s:24} {when:7} worst error {worst:.1e}")
    assert worst < 1e-4


def _pairs(out, found):
    """Our output beside theirs, for every kind that theirs has."""
    if "start_logits" in found:
        yield out.logits, torch.stack([found["start_logits"], found["end_logits"]], dim=-1)
    if "mc_logits" in found:
        yield out.logits, found["mc_logits"]
        yield out.lm_logits, found["logits"].flatten(0, 1)
    elif "logits" in found:
        yield out.logits, found["logits"]
    if "prediction_logits" in found:
        yield out.logits, found["prediction_logits"]
        yield out.pair_logits, found["sop_logits" if "sop_logits" in found else "seq_relationship_logits"]
    if "last_hidden_state" in found:
        yield out.hidden, found["last_hidden_state"]
    if found.get("pooler_output") is not None:
        yield out.pooled, found["pooler_output"]
