# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Pretraining, generation and fine-tuning in a few minutes on a CPU, on texts that come with the package.

python -m launch.demo --workdir=demo
"""

import csv
from pathlib import Path
from typing import Any

from absl import flags

from launch import app

_WORKDIR = flags.DEFINE_string("workdir", "demo", "Folder for everything that the demo makes.")
_STEPS = flags.DEFINE_integer(
    "steps", None, "Training steps of each model; by default those of the configs.", lower_bound=1
)

_REVIEWS = (
    "from start to finish the film feels gripping and tender .",
    "this remake is tedious , and a waste of an evening .",
    "worth every minute : the cast is inventive .",
    "the score is cold and boring .",
)


def main(argv: list[str]) -> None:
    del argv
    workdir = Path(_WORKDIR.value)
    pretrain(workdir / "gpt2")
    write_a_passage(workdir / "gpt2" / "model")
    finetune(workdir / "reviews")
    predict(workdir / "reviews" / "model", workdir)
    _say("What was written")
    print(f"   loss curves       {workdir}/gpt2/loss.png, {workdir}/reviews/loss.png")
    print(f"   TensorBoard logs  {workdir}/gpt2/tensorboard   (pip install tensorboard)")
    print(f"   metrics           {workdir}/gpt2/metrics.jsonl")
    print(f"   the models        {workdir}/gpt2/model, {workdir}/reviews/model")
    print("                     (for zoo.load, or from_pretrained of Transformers)")


def pretrain(workdir: Path) -> None:
    """Trains a tiny GPT-2 from random weights, and evaluates it."""
    from configs import gpt2_pretrain
    from zoo.train import evaluate_workdir, train

    _say(f"1. Training a tiny GPT-2 on Shakespeare in {workdir}/ (the text is prepared first)")
    train(_run_config(gpt2_pretrain.get_config("tiny")), workdir)
    _say("2. Evaluating it on the held-out text")
    print(f"   perplexity {evaluate_workdir(workdir)['validation']['perplexity']:.1f} a token")


def write_a_passage(folder: Path) -> None:
    """Loads the model back from its Hub folder, and generates."""
    import zoo

    _say(f"3. Loading it back from the Hub folder {folder}, and writing a passage")
    model, tokenizer = zoo.load(folder), zoo.tokenizer(folder)
    prompts = ["ROMEO:\n", "JULIET:\n", "KING RICHARD III:\n"]
    out = zoo.generate(model, prompts, max_new_tokens=80, temperature=0.8, top_k=50, seed=1, tokenizer=tokenizer)
    for prompt, text in zip(prompts, out.texts or [], strict=True):
        print(f"{prompt}{text.strip()}\n")


def finetune(workdir: Path) -> None:
    """Trains a tiny BERT classifier on labelled sentences, and evaluates it."""
    from configs import finetune as config
    from zoo.train import evaluate_workdir, train

    _say(f"4. Fine-tuning a tiny classifier on 600 film reviews in {workdir}/")
    train(_run_config(config.get_config("tiny")), workdir)
    print(f"   accuracy {evaluate_workdir(workdir)['metrics']['accuracy']:.3f} on the held-out reviews")


def predict(folder: Path, workdir: Path) -> None:
    """Labels the rows of a new table."""
    from zoo.predict import predict as predict_table

    _say(f"5. Predicting the labels of new rows: {workdir}/new.csv -> {workdir}/predictions.csv")
    output = workdir / "predictions.csv"
    with open(workdir / "new.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["text"], *([text] for text in _REVIEWS)])
    predict_table(folder, workdir / "new.csv", output, overwrite=True)
    with open(output, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            print(f"   {row['prediction']:8} {float(row['probability:' + row['prediction']]):.3f}  {row['text']}")


def _run_config(config: Any) -> Any:
    """The config as it is, or with the steps that the command line asks for."""
    from zoo.train import RunConfig

    if _STEPS.value is not None:
        config.num_steps = _STEPS.value
        config.optimizer.warmup_steps = min(config.optimizer.warmup_steps, _STEPS.value)
    return RunConfig.from_dict(config)


def _say(line: str) -> None:
    print(f"\n{line}", flush=True)


if __name__ == "__main__":
    app.run(main)
