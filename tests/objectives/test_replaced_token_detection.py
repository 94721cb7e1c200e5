# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""ELECTRA's objective: its loss and gradients are Transformers', its samples are of the generator's distribution."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import load_file, save_file
from scipy import stats

import zoo
from tests.objectives.fakes import info
from zoo.data.random import Key
from zoo.errors import ConfigError
from zoo.models import electra
from zoo.objectives import AllTokensMLM, ReplacedTokenDetection, ReplaceMLM, generator
from zoo.objectives.replace_mlm import mixed_losses
from zoo.optim.chain import make_optimizer
from zoo.optim.optimizers import AdamW
from zoo.train.state import TrainState
from zoo.train.step import make_train_step

GOLDEN = Path(__file__).parents[1] / "golden" / "rtd.npz"
SPECIAL, MASK, VOCAB = frozenset(range(5)), 4, 61
INFO = info(seq_len=32, vocab_size=VOCAB, special_ids=SPECIAL, mask_id=MASK)
CONFIG = electra.config(
    2, 32, 16, vocab_size=VOCAB, num_heads=4, mlp_width=48, max_length=32, hidden_dropout=0.0, attention_dropout=0.0,
    embed_dropout=0.0,
)  # fmt: skip
OBJECTIVES = [ReplacedTokenDetection(), ReplacedTokenDetection(over="hidden"), ReplaceMLM(), AllTokensMLM()]


@pytest.fixture(scope="module")
def golden():
    return dict(np.load(GOLDEN))


@pytest.fixture
def pair(golden, tmp_path):
    """The golden models, with one table of embeddings."""
    for kind in ("main", "generator"):
        folder, prefix = tmp_path / kind, f"before/{kind}/"
        folder.mkdir()
        (folder / "config.json").write_text(str(golden[f"config/{kind}"]))
        tensors = {name.removeprefix(prefix): value for name, value in golden.items() if name.startswith(prefix)}
        save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, folder / "model.safetensors")
    config = zoo.config(tmp_path / "main")
    objective = ReplacedTokenDetection(generator_size=0.5, generator_from=str(tmp_path / "generator"))
    return objective.load(tmp_path / "main", config, mesh=None, rules="dp", seed=0)


def batch_of(golden):
    batch = {name.removeprefix("batch/"): value for name, value in golden.items() if name.startswith("batch/")}
    positions = np.broadcast_to(np.arange(13, dtype=np.int32), batch["tokens"].shape)
    found = {name: batch[name] for name in ("tokens", "segments", "mask_positions", "mask_targets", "mask_weights")}
    found |= {"positions": positions, "sample_seeds": batch["samples"]}
    return {
        name: jnp.asarray(value, jnp.float32 if value.dtype == np.float32 else jnp.int32)
        for name, value in found.items()
    }


def test_loss_and_gradients_are_those_of_transformers(golden, pair, tmp_path, monkeypatch):
    monkeypatch.setattr(generator, "sample", lambda logits, seeds: seeds)
    objective, batch = ReplacedTokenDetection().bind(INFO), batch_of(golden)
    graphdef, params = nnx.split(pair)

    def loss(params):
        sums = objective.loss(nnx.merge(graphdef, params), batch)
        return sums["loss"] / sums["weight"], sums

    with jax.default_matmul_precision("highest"):
        gradients, sums = jax.grad(loss, has_aux=True)(params)
    found = objective.metrics(sums)
    for name in ("loss", "generator_loss", "main_loss", "accuracy"):
        assert found[name] == pytest.approx(float(golden[f"result/{name}"]), rel=1e-5)
    assert float(sums["loss"] / sums["weight"]) == pytest.approx(found["loss"], rel=1e-6)
    gradient = nnx.merge(graphdef, gradients)
    for kind in ("main", "generator"):
        zoo.save(getattr(gradient, kind), tmp_path / f"{kind}-gradient")
        saved = load_file(tmp_path / f"{kind}-gradient" / "model.safetensors")
        expected = {
            name.removeprefix(f"gradient/{kind}/"): value
            for name, value in golden.items()
            if name.startswith(f"gradient/{kind}/")
        }
        for name in expected:
            largest = np.abs(expected[name]).max()
            np.testing.assert_allclose(
                saved[name], expected[name], atol=1e-4 * max(largest, 1e-3), err_msg=f"{kind} {name}"
            )


@pytest.mark.parametrize("objective", OBJECTIVES, ids=["rtd", "hidden", "replace_mlm", "all_tokens_mlm"])
def test_micro_batches_change_nothing(objective):
    """Rows with different numbers of hidden tokens: each mean is over the whole batch."""
    objective = objective.bind(INFO)
    module = objective.build(objective.configure(CONFIG), rngs=nnx.Rngs(0))
    graphdef, params = nnx.split(module)
    batch = INFO.placeholder(8)
    batch["tokens"] = np.random.default_rng(0).integers(5, VOCAB, (8, 32)).astype(np.int32)
    batch["segments"] = (np.arange(32) < np.array([32, 9, 20, 5, 32, 14, 7, 3])[:, None]).astype(np.int32)
    batch = {name: jnp.asarray(value) for name, value in objective.arrange(batch, Key(0, 0, 0, np.arange(8))).items()}
    optimizer = make_optimizer(AdamW(learning_rate=1e-2, warmup_steps=0, clip_norm=0.0), 10)
    results = []
    for steps in (1, 4):
        state = TrainState.create(nnx.to_pure_dict(params), {}, optimizer, 0)
        state = jax.tree.map(jnp.copy, state)
        with jax.default_matmul_precision("highest"):
            state, sums = make_train_step(graphdef, objective, optimizer, steps)(state, batch)
        results.append((objective.metrics(sums), float(sums["grad_norm"]), float(sums["loss"] / sums["weight"])))
    (one, norm, loss), (four, other, accumulated) = results
    assert one == pytest.approx(four, rel=1e-5) and norm == pytest.approx(other, rel=1e-4)
    assert loss == pytest.approx(one["loss"], rel=1e-5) == pytest.approx(accumulated, rel=1e-5)


def test_copying_or_the_softmax():
    """All-Tokens MLM against its mixture of distributions, written out over the vocabulary."""
    objective = AllTokensMLM().bind(INFO)
    module = objective.build(objective.configure(CONFIG), rngs=nnx.Rngs(0))
    to_copy = module.extra["copy"]
    to_copy.bias[...] = jnp.array([0.3])
    arranged = {**INFO.placeholder(4), "segments": np.ones((4, 32), np.int32)}
    arranged["tokens"] = np.random.default_rng(0).integers(5, VOCAB, (4, 32)).astype(np.int32)
    original = arranged["tokens"]
    arranged = objective.arrange(arranged, Key(0, 0, 0, np.arange(4)))
    batch = {name: jnp.asarray(value) for name, value in arranged.items()}
    filled, sums = objective.fill(module, batch, None), objective.loss(module, batch)
    out = module.main(filled.tokens, segments=batch["segments"], positions=batch["positions"])
    words = np.asarray(jax.nn.softmax(out.logits))
    copy = np.asarray(jax.nn.sigmoid(to_copy(out.hidden)))
    mixed = copy * np.eye(VOCAB)[np.asarray(filled.tokens)] + (1 - copy) * words
    np.testing.assert_allclose(mixed.sum(-1), 1.0, rtol=1e-5)
    losses = -np.log(np.take_along_axis(mixed, original[..., None], axis=-1))
    assert 0 < filled.replaced.sum() < original.size
    assert float(sums["main_loss"] / sums["weight"]) == pytest.approx(losses.mean(), rel=1e-5)
    copied = np.where(copy[..., 0] > 0.5, filled.tokens, words.argmax(-1))
    assert float(sums["correct"]) == (copied == original).sum()
    far = mixed_losses(jnp.full((1, 2), 50.0), jnp.array([[60.0, -60.0]]), jnp.array([[True, False]]))
    np.testing.assert_allclose(far, [[0.0, 50.0]], atol=1e-6)  # where a probability would be rounded to 0 or 1


def test_samples_are_of_the_distribution():
    logits = jnp.log(jnp.array([0.5, 0.3, 0.15, 0.05]))
    seeds = Key(0, 0, 3, np.arange(400)).bits(50, 16).view(np.int32)
    drawn = np.asarray(generator.sample(jnp.broadcast_to(logits, (400, 50, 4)), jnp.asarray(seeds)))
    counts = np.bincount(drawn.ravel(), minlength=4)
    assert stats.chisquare(counts, 20_000 * np.array([0.5, 0.3, 0.15, 0.05])).pvalue > 1e-3
    pairs = np.stack([drawn[:, 1:].ravel(), drawn[:, :-1].ravel()])
    table = np.zeros((4, 4))
    np.add.at(table, tuple(pairs), 1)
    assert stats.chi2_contingency(table).pvalue > 1e-3  # neighbours are independent


def test_no_gradient_flows_through_the_samples():
    objective = ReplacedTokenDetection(sharing="none").bind(INFO)
    module = objective.build(objective.configure(CONFIG), rngs=nnx.Rngs(0))
    batch = {k: jnp.asarray(v) for k, v in objective.arrange(INFO.placeholder(4), Key(0, 0, 0, np.arange(4))).items()}
    graphdef, params = nnx.split(module)
    gradients = jax.grad(lambda p: objective.loss(nnx.merge(graphdef, p), batch)["main_loss"])(params)
    assert all(not np.any(leaf) for leaf in jax.tree.leaves(gradients["generator"]))
    assert any(np.any(leaf) for leaf in jax.tree.leaves(gradients["main"]))


def test_a_sample_that_equals_the_original_is_an_original(monkeypatch):
    objective = ReplacedTokenDetection().bind(INFO)
    module = objective.build(objective.configure(CONFIG), rngs=nnx.Rngs(0))
    arranged = objective.arrange(INFO.placeholder(4), Key(0, 0, 0, np.arange(4)))
    batch = {name: jnp.asarray(value) for name, value in arranged.items()}
    monkeypatch.setattr(generator, "sample", lambda logits, seeds: batch["mask_targets"])
    filled = objective.fill(module, batch, None)
    assert not np.any(filled.replaced) and np.asarray(filled.hidden).sum() == arranged["mask_weights"].sum()
    np.testing.assert_array_equal(filled.tokens, INFO.placeholder(4)["tokens"])
    assert objective.metrics(objective.loss(module, batch))["replaced"] == 0.0


@pytest.mark.parametrize(("sharing", "shared"), [("embeddings", 5), ("none", 0), ("all", 5)])
def test_what_is_shared_is_one_parameter(sharing, shared):
    objective = ReplacedTokenDetection(sharing=sharing).bind(INFO)
    pair = objective.build(objective.configure(CONFIG), rngs=nnx.Rngs(0))
    main, generator = pair.main, pair.generator
    same = [
        getattr(main.embed, name) is getattr(generator.embed, name)
        for name in ("token", "position", "token_type", "norm")
    ]
    assert same == [bool(shared)] * 4
    assert (main.stack is generator.stack) == (sharing == "all")
    assert (generator.config.width, generator.config.num_heads) == ((32, 4) if sharing == "all" else (8, 1))
    assert generator.config.embed_width == 16


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"generator_size": 2.0}, r"no wider than the other model; set it to 1 or less"),
        ({"generator_size": 0.0}, "generator_size must be above 0"),
        ({"mask_rate": 1.0}, "mask_rate"),
        ({"shares": (0.85, 0.2, 0.15)}, "add up to 1"),
    ],
)
def test_sizes_and_shares_that_cannot_be(change, message):
    with pytest.raises(ConfigError, match=message):
        ReplacedTokenDetection(**change).configure(CONFIG)


def test_an_evaluation_draws_no_generator(golden, pair, tmp_path):
    config = zoo.config(tmp_path / "main")
    options = dict(mesh=None, rules="dp", seed=0, head_init="required")
    with pytest.raises(ConfigError, match=r"holds no generator, .* name its folder in objective\.generator_from"):
        ReplacedTokenDetection(generator_size=0.5).load(tmp_path / "main", config, **options)
    ready = ReplacedTokenDetection(generator_from=str(tmp_path / "generator"))
    assert ready.load(tmp_path / "main", config, **options).generator.config.width == 12


def test_a_generator_with_other_embeddings(golden, pair, tmp_path):
    main, other = tmp_path / "main", tmp_path / "other"
    generator = zoo.load(tmp_path / "generator")
    generator.embed.token.embedding[...] = generator.embed.token.embedding[...] + 0.5
    zoo.save(generator, other)
    options = dict(mesh=None, rules="dp", seed=0)
    with pytest.raises(ConfigError, match=r"other token embeddings than the model, .*sharing='none'"):
        ReplacedTokenDetection(generator_from=str(other)).load(main, zoo.config(main), **options)
    ReplacedTokenDetection(generator_from=str(other), sharing="none").load(main, zoo.config(main), **options)
    with pytest.raises(ConfigError, match=r"objective\.sharing 'all': .*leave generator_from empty"):
        ReplacedTokenDetection(generator_from=str(other), sharing="all").load(main, zoo.config(main), **options)


def test_a_width_that_heads_do_not_divide():
    wide = zoo.config("electra-base-discriminator")
    with pytest.raises(ConfigError, match="divi"):
        ReplacedTokenDetection(generator_size=129 / 768).configure(wide)


def test_it_needs_a_mask_token_and_a_head():
    with pytest.raises(ConfigError, match="mask token"):
        ReplacedTokenDetection().bind(info())
    with pytest.raises(ConfigError, match="needs a replaced_token_detection head, which gpt2 lacks"):
        ReplacedTokenDetection().bind(INFO).configure(zoo.config("gpt2"))


@pytest.mark.parametrize(("name", "size", "width", "heads", "parameters"), [
    ("electra-base-discriminator", 1 / 3, 256, 4, 33_511_168),
    ("electra-large-discriminator", 0.25, 256, 4, 50_999_552),
])  # fmt: skip
def test_generators_of_the_paper(name, size, width, heads, parameters):
    config = ReplacedTokenDetection(generator_size=size).generator_config(zoo.config(name))
    assert (config.width, config.num_heads) == (width, heads)
    model = electra.FAMILY.abstract(config, head=None)
    assert sum(np.prod(leaf.shape) for leaf in jax.tree.leaves(nnx.state(model))) == parameters
