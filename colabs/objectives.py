# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0

# %% [markdown]
# # Objectives: what each of them hides
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/#upload=true)
#
# One sentence, as every pretraining objective gives it to a model: masked tokens, words, n-grams and spans, pairs of
# texts, orders, prefixes, sentinels. Then a tiny ELECTRA, trained, and asked which word of a sentence is wrong. A few
# minutes on a CPU.

# %% [markdown]
# This notebook needs the package, Python 3.11 or newer, and nothing else; two CPU cores will do. The next cell uses the
# package if it is installed. If not, it installs it from the checkout that the notebook lies in, in a minute or two. On
# Colab, upload the notebook, upload or clone the checkout beside it, and set `CHECKOUT` to its folder.

# %%
import importlib.util
import subprocess
import sys
from pathlib import Path

CHECKOUT = next((path for path in [Path.cwd(), *Path.cwd().parents] if (path / "zoo" / "__init__.py").exists()), None)
if importlib.util.find_spec("zoo") is None or importlib.util.find_spec("configs") is None:
    if CHECKOUT is None:
        raise RuntimeError("zoo is not installed and this is not its checkout; set CHECKOUT to the checkout's folder.")
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", str(CHECKOUT)], check=True)

# %%
import json
import os
import tempfile

import jax
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch

import zoo
from configs import electra_pretrain
from zoo.data import DataInfo, Feature, SentencePairsConfig
from zoo.data.config import TokenizerConfig
from zoo.data.random import TRAINING, Key
from zoo.data.source import EMBEDDED
from zoo.objectives import MaskedLM, PermutationLM, PrefixLM, ReplacedTokenDetection, SpanCorruption
from zoo.objectives.generator import GeneratorPair
from zoo.text.train import train_tokenizer
from zoo.train import RunConfig, train

folder = Path(tempfile.mkdtemp())
jax.devices()

# %% [markdown]
# ## The text
# The Shakespeare that comes with the package, prepared once: a WordPiece vocabulary of 2,048 is learned from it, and
# its documents become one array of tokens, with a note of where words and sentences begin.

# %%
vocabulary = TokenizerConfig(kind="wordpiece", vocab_size=2048)
rules = dict(sentences="line", one_sentence="skipped", seq_len=26, tokenizer=vocabulary)
pairs = {kind: SentencePairsConfig(pairs=kind, **rules) for kind in ("next", "order")}
prepared = pairs["next"].prepare(folder / "text")
data = {kind: config.open(cache_dir=folder, data_dir=prepared) for kind, config in pairs.items()}
tokenizer = data["next"].tokenizer

# %% [markdown]
# ## The sentence
# An objective takes a batch of examples and a key, which is a seed, a step and the rows of the batch, and gives what
# the model is to read and to predict: `objective.arrange(batch, key)`. In a run, the data give the batches; here, a
# batch is one sentence.

# %%
SENTENCE = "whether 'tis nobler in the mind to suffer the slings and arrows of fortune"


def batch_of(tokenizer, first=(), last=(), sentence=SENTENCE):
    """A sentence as a batch of one row, with special tokens around it."""
    [(ids, begins)] = tokenizer.encode_words([sentence])
    tokens = np.array([[*first, *ids, *last]], np.int32)
    return {
        "tokens": tokens,
        "segments": np.ones_like(tokens),
        "positions": np.arange(tokens.shape[1], dtype=np.int32)[None],
        "word_starts": np.array([[*(1 for _ in first), *begins, *(1 for _ in last)]], np.int32),
    }


def arranged(objective, tokenizer, batch, step=0):
    """What an objective makes of the batch in a step."""
    schema = {name: Feature(kind="tokens") for name in batch}
    length = batch["tokens"].shape[1]
    bound = objective.bind(DataInfo(vocabulary=tokenizer, schema=schema, seq_len=length, segments="sequence"))
    return bound.arrange(batch, Key(seed=0, stream=TRAINING, step=step, rows=np.arange(1)))


def words(tokenizer, ids):
    return [tokenizer.backend.id_to_token(int(index)) for index in ids]


def strips(rows, cmap, top, legend=()):
    """Rows of tokens, (name, tokens, values) each, coloured by their values from 0 to `top`."""
    width = max(len(tokens) for _, tokens, _ in rows)
    values = np.array([[*found, *[0] * (width - len(found))] for _, _, found in rows], float)
    _, axes = plt.subplots(figsize=(0.8 * width + 1, 0.42 * len(rows) + 0.7))
    axes.imshow(values, cmap=cmap, vmin=0, vmax=top, aspect="auto")
    for row, (_, tokens, _) in enumerate(rows):
        for column, token in enumerate(tokens):
            axes.text(column, row, token, ha="center", va="center", fontsize=8)
    axes.set_xticks(np.arange(width + 1) - 0.5, [""] * (width + 1))
    axes.set_yticks(range(len(rows)), [name for name, _, _ in rows])
    axes.tick_params(length=0)
    if legend:
        patches = [Patch(facecolor=cmap(index), edgecolor="grey", label=name) for index, name in enumerate(legend)]
        axes.legend(handles=patches, loc="upper left", bbox_to_anchor=(0, 0), ncol=len(legend), frameon=False)
    plt.show()


batch = batch_of(tokenizer, [tokenizer.cls_id], [tokenizer.sep_id])
print(*words(tokenizer, batch["tokens"][0]))

# %% [markdown]
# ## Masked tokens (BERT, RoBERTa)
# Of the tokens to predict, 80 % become the mask token, 10 % a random one, and 10 % stay, so that the model cannot rely
# on the mask. Every time a sequence is read it gets a new mask. A rate of 0.3 instead of 0.15 shows more of it.

# %%
KINDS = ("read", "predicted, masked", "predicted, random", "predicted, as it was")
PASTEL = ListedColormap(["white", "#fdcdac", "#f4a6a6", "#b3e2cd"])


def masked(objective, step=0):
    """The tokens that the model reads, and the kind of each."""
    found = arranged(objective, tokenizer, batch, step)
    original, tokens = batch["tokens"][0], found["tokens"][0]
    hidden = found["mask_positions"][0][found["mask_weights"][0] > 0]
    kinds = np.zeros(len(tokens), int)
    is_masked, is_random = tokens[hidden] == tokenizer.mask_id, tokens[hidden] != original[hidden]
    kinds[hidden] = np.where(is_masked, 1, np.where(is_random, 2, 3))
    return words(tokenizer, tokens), kinds


strips([(f"step {step}", *masked(MaskedLM(mask_rate=0.3), step)) for step in range(5)], PASTEL, 3, KINDS)

# %% [markdown]
# ## Words, n-grams, spans (BERT's whole words, ALBERT, SpanBERT)
# What is hidden together: all pieces of a word; one to three words, n of them with a probability proportional to 1 / n;
# one to ten words, of a geometric distribution. Spans share one lot: all of a span is masked, random, or left.

# %%
units = {"word": "token", "ngram": "token", "span": "unit"}
objectives = {unit: MaskedLM(mask_rate=0.3, unit=unit, replaced=lot) for unit, lot in units.items()}
strips([(unit, *masked(objective, 1)) for unit, objective in objectives.items()], PASTEL, 3, KINDS)

# %% [markdown]
# ## Pairs of texts (BERT's next sentences, ALBERT's sentence order)
# Here the data make the difference: in half of the pairs the second text is from another document, or the two texts are
# swapped. The objectives `mlm_nsp` and `mlm_sop` then mask tokens as above, and predict the label as well.

# %%
for dataset in data.values():
    found = dataset.splits["train"].read(np.arange(40, 45))
    names = [dataset.schema["label"].classes[label] for label in found["label"]]
    rows = zip(names, found["tokens"], found["token_types"] + found["segments"], strict=True)
    strips([(name, words(tokenizer, tokens), values) for name, tokens, values in rows], PASTEL, 3)

# %% [markdown]
# ## Span corruption (T5)
# The encoder reads the text with each span replaced by a sentinel, the decoder writes the sentinels and what was there.
# It needs a vocabulary with sentinels.

# %%
texts = EMBEDDED.read_text(encoding="utf-8").split("\n\n")
t5 = train_tokenizer(texts, kind="wordpiece", vocab_size=2048, lower_case=True, special="t5")
found = arranged(SpanCorruption(noise_rate=0.3, mean_span=2.0), t5, batch_of(t5))
sides = {"encoder": found["tokens"][0], "decoder": found["targets"][0]}
strips([(name, words(t5, ids), ids >= t5.vocab_size - 100) for name, ids in sides.items()], PASTEL, 3)

# %% [markdown]
# ## Orders (XLNet), prefixes (T5's prefix LM), what came before (GPT)
# These hide no token of the input: they hide it from some positions. A dark cell is a token (column) that a position
# (row) sees. Permutation LM predicts the marked tokens in a random order, from the tokens before them in that order;
# the second half of the sequence sees all of the first. Its special tokens are last in XLNet's sequences.

# %%
last = batch_of(tokenizer, last=[tokenizer.sep_id, tokenizer.cls_id])
last = {name: values[:, values.shape[1] % 2 :] for name, values in last.items()}  # two parts of one length
plm = arranged(PermutationLM(k=3.0), tokenizer, last)
order, places = plm["order"][0], np.arange(last["tokens"].shape[1])
prefix = arranged(PrefixLM(), tokenizer, last)["prefix"][0] > 0
causal = places[None] <= places[:, None]
sees = {
    "permutation LM": order[None] <= order[:, None],
    "prefix LM": causal | (prefix[None] & prefix[:, None]),
    "causal LM": causal,
}

predicted = [np.isin(places, plm["target_positions"][0]), ~prefix, places > 0]
figure, panels = plt.subplots(1, 3, figsize=(15, 5.5))
for axes, (name, visible), marks in zip(panels, sees.items(), predicted, strict=True):
    axes.imshow(visible, cmap="Blues", vmax=2)
    tokens = words(tokenizer, last["tokens"][0])
    marked = [f"{token} *" if mark else token for token, mark in zip(tokens, marks, strict=True)]
    axes.set_yticks(places, marked, fontsize=8)
    axes.set_xticks(places, tokens, fontsize=8, rotation=90)
    axes.set_title(f"{name} (* is predicted)")
figure.tight_layout()
plt.show()

# %% [markdown]
# ## An experiment: ELECTRA
# A small generator fills in masked tokens, and a discriminator says of every token whether it is the original. Of a
# whole language this takes days; a few minutes are enough for 24 lines of the play, read again and again, which both
# models learn by heart. It is `configs/electra_pretrain.py:tiny` on a text of its own, by the functions behind
# `launch.prepare` and `launch.train`.

# %%
LINES = [line for line in EMBEDDED.read_text(encoding="utf-8").splitlines() if 30 < len(line) < 45][:24]
(folder / "lines.txt").write_text("\n".join(LINES * 40), encoding="utf-8")

config = electra_pretrain.get_config("tiny").unlock()
config.data.update(source=str(folder / "lines.txt"), document="line", seq_len=32)
config.data.tokenizer.vocab_size = 400
config.model.init_std = 0.05  # so narrow a model begins slowly from 0.02
config.optimizer.learning_rate = 3e-3
config.num_steps = int(os.environ.get("OBJECTIVES_STEPS", 300))
config.optimizer.warmup_steps = min(50, config.num_steps)
config.eval_every = max(1, config.num_steps // 10)
config.evals.validation.num_batches = 4
run, workdir = RunConfig.from_dict(config), folder / "electra"
train(run, workdir, data_dir=run.data.prepare(folder / "lines"))

# %%
history = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
figure, panels = plt.subplots(1, 3, figsize=(13, 3))
titles = {"generator_loss": "generator", "main_loss": "discriminator", "recall": "replaced tokens that it finds"}
for axes, (metric, title) in zip(panels, titles.items(), strict=True):
    for split in ("train", "validation"):
        lines = [line for line in history if line["split"] == split]
        axes.plot([line["step"] for line in lines], [line[metric] for line in lines], label=split)
    axes.set(title=title, xlabel="step", ylabel="share" if metric == "recall" else "loss")
    axes.legend()
figure.tight_layout()
plt.show()

# %% [markdown]
# ## What the generator fills in, and what the discriminator says of it
# Both models are folders in the Hub's format. A sample that equals the original counts as an original.

# %%
discriminator, generator = zoo.load(workdir / "model"), zoo.load(workdir / "generator")
small = zoo.tokenizer(workdir / "model")


@jax.jit
def suspicion(tokens):
    """How likely each token is a replaced one, by the discriminator."""
    return jax.nn.sigmoid(discriminator(tokens).logits)[0]


rtd = ReplacedTokenDetection(mask_rate=0.3)
line = batch_of(small, [small.cls_id], [small.sep_id], sentence=LINES[4])
hidden = arranged(rtd, small, line, step=2)
pair = GeneratorPair(discriminator, generator, {})
filled = jax.jit(lambda batch: rtd.fill(pair, batch, None))(hidden)
strips([
    ("text", words(small, line["tokens"][0]), np.zeros(filled.tokens.shape[1])),
    ("generator reads", words(small, hidden["tokens"][0]), filled.hidden[0] / 2),
    ("discriminator reads", words(small, filled.tokens[0]), filled.replaced[0]),
    ("says: replaced", words(small, filled.tokens[0]), suspicion(filled.tokens)),
], "Reds", 1.0)  # fmt: skip

# %% [markdown]
# ## One wrong word
# A line of the play, and the same line with a word in it that does not belong there, though another line has it. The
# darker a token, the surer the discriminator is that it was replaced.

# %%
RIGHT = LINES[4]
WRONG = RIGHT.replace(RIGHT.split()[2], LINES[5].split()[2])

encoded = [np.array([small.encode(line)]) for line in (RIGHT, WRONG)]
found = [np.asarray(suspicion(tokens)) for tokens in encoded]
rows = zip(("right", "wrong"), encoded, found, strict=True)
strips([(name, words(small, ids[0]), each) for name, ids, each in rows], "Reds", 1.0)
[f"{word}: {share:.2f}" for word, share in zip(words(small, encoded[1][0]), found[1], strict=True)]
