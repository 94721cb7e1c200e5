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
# # A tour of zoo
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/#upload=true)
#
# Text, a tiny GPT-2 trained on it, its perplexity, a folder in the Hub's format, and a passage written by the model
# that is loaded back from it. About four minutes on a CPU, less on an accelerator.

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
import os
import tempfile

import jax
from IPython.display import Image, display

import zoo
from configs import gpt2_pretrain
from zoo.train import RunConfig, evaluate_workdir, train

workdir = Path(tempfile.mkdtemp()) / "tour"
jax.devices()

# %% [markdown]
# ## The experiment
# A config is a lab notebook: `gpt2_pretrain.py` names the paper, the hardware and the expected number. Its `tiny`
# variant is the same experiment for a CPU, on the Shakespeare that comes with the package.

# %%
config = gpt2_pretrain.get_config("tiny")
config.num_steps = int(os.environ.get("TOUR_STEPS", config.num_steps))
config.optimizer.warmup_steps = min(config.optimizer.warmup_steps, config.num_steps)
config

# %% [markdown]
# ## Training
# The text is prepared first: a byte-level BPE is learned from it, and its documents are written as one array of tokens.
# Stop the cell and run it again: training goes on from its last checkpoint.

# %%
train(RunConfig.from_dict(config), workdir)
display(Image(workdir / "loss.png"))

# %%
evaluate_workdir(workdir)

# %% [markdown]
# ## The model
# `workdir/model` is a folder in the Hub's format: Transformers loads it, and so does `zoo.load`.

# %%
model = zoo.load(workdir / "model")
tokenizer = zoo.tokenizer(workdir / "model")
model.config

# %%
out = zoo.generate(
    model, ["ROMEO:\n", "JULIET:\n"], tokenizer=tokenizer, max_new_tokens=80, temperature=0.8, top_k=50, seed=1
)
for text in out.texts:
    print(text, "\n---")

# %% [markdown]
# ## A model is a function
# It holds parameters and nothing else, and takes what it needs as arguments. Here are the two likeliest next tokens.

# %%
tokens = tokenizer.encode_batch(["To be, or not to"])
logits = model(tokens.tokens, segments=tokens.segments).logits[0, -1]
tokenizer.decode(jax.lax.top_k(logits, 2)[1].tolist())

# %% [markdown]
# The same weights under another head, ready to be fine-tuned; the head's new parameters are named in one log line.

# %%
classifier = zoo.load(workdir / "model", head="sequence_classification", num_labels=3)
classifier(tokens.tokens, segments=tokens.segments).logits
