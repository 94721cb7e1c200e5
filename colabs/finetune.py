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
# # Fine-tuning a classifier on a table
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/#upload=true)
#
# A CSV file with a column of texts and one of labels, a tiny BERT, its curves, and predictions for new rows. About a
# minute on a CPU.

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
import csv
import json
import os
import tempfile

import jax
import matplotlib.pyplot as plt

import zoo
from configs import finetune
from zoo.data.table import EMBEDDED
from zoo.predict import predict
from zoo.train import RunConfig, evaluate_workdir, train

folder = Path(tempfile.mkdtemp())
jax.devices()

# %% [markdown]
# ## The table
# Your own file goes here. This one is written from the film reviews that come with the package: 500 rows to train on,
# and 20 that the model never sees.

# %%
with open(EMBEDDED, newline="", encoding="utf-8") as file:
    rows = list(csv.DictReader(file))


def write(path, rows, columns):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


write(folder / "train.csv", rows[:500], ["text", "label"])
write(folder / "new.csv", rows[-20:], ["text"])
print((folder / "train.csv").read_text()[:200])

# %% [markdown]
# ## The experiment
# `tiny` starts from random weights and learns its own vocabulary. To start from a released model instead, take
# `finetune.get_config()` and set `config.init_from = "bert-base-uncased"`; on a GPU or TPU that takes minutes.

# %%
config = finetune.get_config("tiny").unlock()
config.data.source = str(folder / "train.csv")
config.data.text, config.data.label = "text", "label"
config.num_steps = int(os.environ.get("FINETUNE_STEPS", config.num_steps))
config.optimizer.warmup_steps = min(config.optimizer.warmup_steps, config.num_steps)
config.eval_every = max(1, config.num_steps // 10)
config.keep_best = "metrics/accuracy"
config

# %% [markdown]
# ## Training
# A tenth of the rows is held out. The model of the best step by `keep_best` is exported.

# %%
workdir = folder / "run"
train(RunConfig.from_dict(config), workdir)
history = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3))
for split, axes, metric in [("train", left, "loss"), ("validation", left, "loss"), ("metrics", right, "accuracy")]:
    lines = [line for line in history if line["split"] == split]
    axes.plot([line["step"] for line in lines], [line[metric] for line in lines], label=split)
    axes.set(xlabel="step", ylabel=metric)
left.legend()
figure.tight_layout()
plt.show()

# %%
evaluate_workdir(workdir)

# %% [markdown]
# ## Predictions
# The output has the columns of the input, the prediction, and a probability for each class. The command line does the
# same: `python -m launch.predict --model=DIR/model --input=new.csv --output=out.csv`.

# %%
predict(workdir / "model", folder / "new.csv", folder / "out.csv")
print((folder / "out.csv").read_text()[:500])

# %% [markdown]
# ## The model
# `run/model` is a folder in the Hub's format: `zoo.load` reads it, and so does `from_pretrained` of Transformers.

# %%
model, tokenizer = zoo.load(workdir / "model"), zoo.tokenizer(workdir / "model")
batch = tokenizer.encode_batch(["from start to finish the film feels gripping ."])
out = model(batch)
dict(zip(model.config.label_names, jax.nn.softmax(out.logits)[0].tolist(), strict=True))
