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
# # Fine-tuning: classes, tags of words, answers to questions
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/#upload=true)
#
# A CSV file with a column of texts and one of labels, a tiny BERT, its curves, its errors, and predictions for new
# rows; then the same for a tagger and for a model that answers questions. Two minutes on a CPU.

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
from IPython.display import Image, Markdown, display

import zoo
from configs import finetune, squad, tagging
from zoo.data.questions import EMBEDDED as QUESTIONS
from zoo.data.table import EMBEDDED as REVIEWS
from zoo.predict import predict
from zoo.train import RunConfig, evaluate_workdir, train

folder = Path(tempfile.mkdtemp())
jax.devices()

# %% [markdown]
# ## The table
# Your own file goes here. This one is written from the film reviews that come with the package: 500 rows to train on,
# and 20 that the model never sees.

# %%
with open(REVIEWS, newline="", encoding="utf-8") as file:
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
def experiment(module):
    """The tiny experiment of a config file, evaluated ten times."""
    config = module.get_config("tiny").unlock()
    config.num_steps = int(os.environ.get("FINETUNE_STEPS", config.num_steps))
    config.optimizer.warmup_steps = min(config.optimizer.warmup_steps, config.num_steps)
    config.eval_every = max(1, config.num_steps // 10)
    return config


config = experiment(finetune)
config.data.source = str(folder / "train.csv")
config.data.text, config.data.label = "text", "label"
config.keep_best = "metrics/accuracy"
config

# %% [markdown]
# ## Training
# A tenth of the rows is held out. The model of the best step by `keep_best` is exported.

# %%
workdir = folder / "run"
train(RunConfig.from_dict(config), workdir)


# %%
def plot(workdir, *metrics):
    """The losses of a run, and the metrics of its evaluator, by step."""
    history = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3))
    curves = [("train", left, "loss"), ("validation", left, "loss"), *(("metrics", right, name) for name in metrics)]
    for split, axes, metric in curves:
        lines = [line for line in history if line["split"] == split]
        label = split if axes is left else metric
        axes.plot([line["step"] for line in lines], [line[metric] for line in lines], label=label)
        axes.set(xlabel="step", ylabel="loss" if axes is left else "score")
        axes.legend()
    figure.tight_layout()
    plt.show()


plot(workdir, "accuracy", "f1_macro")

# %%
evaluate_workdir(workdir)

# %% [markdown]
# ## The report
# `run/report` is about the exported model: every metric with its definition, which class is taken for which, how far
# its probabilities can be trusted, and the worst errors as a file.

# %%
display(Markdown((workdir / "report" / "report.md").read_text()))
display(Image(workdir / "report" / "metrics" / "classes.png"))

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

# %% [markdown]
# ## Tags of words
# A tagger learns from words and their tags: a `.conll` file, or rows with lists. Its score is the F1 of whole entities.
# These sentences come with the package; your own file goes into `config.data.source`.

# %%
config = experiment(tagging)
train(RunConfig.from_dict(config), folder / "tags")
plot(folder / "tags", "precision", "recall", "f1")

# %%
sentences = ["yesterday greta holm sold her shares", "acme tools opens a branch in san marino"]
with open(folder / "words.jsonl", "w", encoding="utf-8") as file:
    file.writelines(json.dumps({"words": sentence.split()}) + "\n" for sentence in sentences)
predict(folder / "tags" / "model", folder / "words.jsonl", folder / "tagged.conll")
print((folder / "tagged.conll").read_text())

# %% [markdown]
# ## Answers to questions
# A question, a context, and the span of the context that answers it, as in SQuAD. Contexts that are longer than the
# model's window are read through several windows that overlap.

# %%
config = experiment(squad)
train(RunConfig.from_dict(config), folder / "answers")
plot(folder / "answers", "exact_match", "f1")

# %%
questions = [json.loads(line) for line in QUESTIONS.read_text(encoding="utf-8").splitlines()[-3:]]
with open(folder / "questions.jsonl", "w", encoding="utf-8") as file:
    file.writelines(json.dumps({name: row[name] for name in ("id", "question", "context")}) + "\n" for row in questions)
predict(folder / "answers" / "model", folder / "questions.jsonl", folder / "answers.jsonl")
answers = [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]
lines = [f"| {row['context']} | {row['question']} | **{row['prediction']}** |\n" for row in answers]
display(Markdown("".join(["| context | question | answer |\n|---|---|---|\n", *lines])))
