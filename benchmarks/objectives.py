# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Pretrains a tiny model with each objective for the same number of operations, and fine-tunes each on SST-2 or CoLA.

python -m benchmarks.objectives --assets=ASSETS --out=DIR [--flops=3e13,1e13] [--seeds=3] [--tasks=sst2]

ASSETS holds data/wikitext-2, data/sst2 and data/cola. All models have the same width, layers and vocabulary size; steps
follow from the operations of a step (`zoo.cost.flops`), of generator and discriminator together for ELECTRA, and each
number of operations is a run of its own, with its whole schedule. Every run is a `launch.train` in DIR, so that the
same command continues where it was stopped. Writes objectives.md and .png there after each run: the dev set's metric,
beside that of a model with random parameters. These are small models on two million words: what they show is that each
objective learns, not which is best at the sizes of the papers.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.finetune import TASKS, write_tables

ROOT = Path(__file__).parents[1]
# Few operations a step: a masked LM takes many steps until it learns more than how often each token is.
VOCABULARY, LAYERS, BATCH_SIZE = 4096, 2, 8
RATE, EPOCHS = 5e-4, 3  # of fine-tuning


class Pretraining(NamedTuple):
    """A config file with its variant, and the fields that make its model as large as the others'."""

    config: str
    fields: dict[str, Any]


_LAYERS = {"model.num_layers": LAYERS}
_ENCODER = {**_LAYERS, "optimizer.learning_rate": 1e-3}  # at 2e-3 BERT with pairs learns nothing from context
_RANDOM = "random parameters"
OBJECTIVES = {
    _RANDOM: Pretraining("bert_pretrain.py:tiny", _ENCODER),
    "BERT, masked LM": Pretraining("bert_pretrain.py:tiny", _ENCODER),
    "BERT, masked LM and next sentence": Pretraining("bert_pretrain.py:tiny,nsp", _ENCODER),
    "ALBERT, masked LM and sentence order": Pretraining("albert_pretrain.py:tiny", _LAYERS),
    "ELECTRA, replaced tokens": Pretraining("electra_pretrain.py:tiny", _ENCODER),
    "XLNet, permutations": Pretraining("xlnet_pretrain.py:tiny", _ENCODER),
    "T5, span corruption": Pretraining(
        "t5_pretrain.py:tiny", {"model.num_layers": LAYERS // 2, "model.decoder_layers": LAYERS // 2}
    ),
}


def launch(name: str, config: str, fields: dict[str, Any], **flags: Any) -> None:
    """A launcher in a process of its own; its output is shown only if it fails."""
    command = [sys.executable, "-m", f"launch.{name}", f"--config=configs/{config}"]
    command += [f"--config.{field}={value}" for field, value in fields.items()]
    command += [f"--{flag}={value}" for flag, value in flags.items()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


def pretraining_fields(assets: Path, recipe: Pretraining) -> dict[str, Any]:
    """The fields that all share, and the recipe's own."""
    shared = {
        "data.source": assets / "data" / "wikitext-2" / "wiki.train.raw",
        "data.tokenizer.vocab_size": VOCABULARY,
        "batch_size": BATCH_SIZE,
        "log_every": 50,
    }
    has_sentences = any(name in recipe.config for name in ("nsp", "albert", "xlnet"))
    shared |= {"data.sentences": "punctuation"} if has_sentences else {}
    return shared | ({"model.vocab_size": VOCABULARY} if "t5" in recipe.config else {}) | recipe.fields


def operations(config: str, fields: dict[str, Any], data: Path) -> float:
    """Of a step of training, by a process of its own, which leaves this one without JAX."""
    program = (
        "import sys, json; from pathlib import Path; from configs import {0}; from zoo.cost import flops;"
        "from zoo.train.config import RunConfig; from zoo.train.run_spec import RunSpec;"
        "config = {0}.get_config({1!r}).unlock(); config.update_from_flattened_dict(json.loads(sys.argv[1]));"
        "run = RunConfig.from_dict(config); info = run.data.open(cache_dir=Path(), data_dir=Path(sys.argv[2])).info;"
        "print(flops.TRAINING * RunSpec.create(run, info).forward_flops(run.batch_size))"
    ).format(*config.split(".py:"))
    given = json.dumps({name: str(value) if isinstance(value, Path) else value for name, value in fields.items()})
    done = subprocess.run(
        [sys.executable, "-c", program, given, str(data)], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return float(done.stdout.split()[-1])


def pretrain(assets: Path, out: Path, name: str, flops: float, seed: int) -> Path:
    """The workdir of a finished run."""
    recipe = OBJECTIVES[name]
    folder = out / name.replace(" ", "-").replace(",", "")
    data, workdir = folder / "data", folder / f"{flops:g}-{seed}"
    fields = pretraining_fields(assets, recipe)
    if (workdir / "summary.json").exists():
        return workdir
    launch("prepare", recipe.config, fields, data_dir=data)
    steps = max(1, round(flops / operations(recipe.config, fields, data)))
    period = max(1, steps // 10)
    fields |= {"num_steps": steps, "optimizer.warmup_steps": steps // 10, "seed": seed}
    fields |= {"eval_every": period, "checkpoint_every": period}
    launch("train", recipe.config, fields, data_dir=data, workdir=workdir)
    return workdir


def finetune(out: Path, pretrained: Path, task: str, seed: int) -> float:
    """The dev set's metric after fine-tuning the model of a run."""
    chosen, workdir = TASKS[task], pretrained.with_name(f"{pretrained.name}-{task}")
    fields = {
        "init_from": pretrained,
        "data.source": out / task / "train.csv",
        "data.validation": out / task / "dev.csv",
        "data.seq_len": chosen.length,
        "data.pad_to_multiple_of": chosen.length,
        "data.packing": 16,
        "model.stack": "loop",
        "optimizer.learning_rate": RATE,
        "num_epochs": EPOCHS,
        "seed": seed,
    }
    if not (workdir / "summary.json").exists():
        launch("train", "finetune.py", fields, workdir=workdir)
    return json.loads((workdir / "summary.json").read_text())["metrics"][chosen.metric]


def facts(workdir: Path) -> dict[str, float]:
    """Steps, seconds and the validation's loss at the first and the last evaluation of a run."""
    rows = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    losses = [row["loss"] for row in rows if row["split"] == "validation"]
    seconds = [json.loads(line)["seconds"] for line in (workdir / "timing.jsonl").read_text().splitlines()]
    return {"steps": rows[-1]["step"], "first": losses[0], "last": losses[-1], "seconds": sum(seconds)}


class Result(NamedTuple):
    """Of one pretraining run, or of none (0 operations: one step)."""

    name: str
    flops: float
    seed: int
    facts: dict[str, float]
    scores: dict[str, float]


def table(results: list[Result], tasks: list[str]) -> str:
    """Markdown: a row for each objective and number of operations."""
    columns = ["objective", "operations", "steps", "loss, first to last", "seconds"]
    columns += [f"{task}, {TASKS[task].metric}" for task in tasks]
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for (name, flops), runs in grouped(results).items():
        first, last, seconds = (statistics.mean(run.facts[key] for run in runs) for key in ("first", "last", "seconds"))
        cells = [name, f"{flops:.0e}", f"{runs[0].facts['steps']:,.0f}", f"{first:.3f} to {last:.3f}", f"{seconds:.0f}"]
        if not flops:
            cells[1:] = ["0", "", "", ""]
        for task in tasks:
            each = [run.scores[task] for run in runs]
            cells.append(f"**{statistics.mean(each):.4f}** ({', '.join(f'{score:.4f}' for score in each)})")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def grouped(results: list[Result]) -> dict[tuple[str, float], list[Result]]:
    """The runs of all seeds."""
    groups: dict[tuple[str, float], list[Result]] = {}
    for name in OBJECTIVES:
        for each in sorted((each for each in results if each.name == name), key=lambda each: each.flops):
            groups.setdefault((name, each.flops), []).append(each)
    return groups


def draw(results: list[Result], tasks: list[str], path: Path) -> None:
    """Scores over operations: a point for each seed, a line through the means, and a panel for each task."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(tasks), figsize=(2 + 5 * len(tasks), 4), squeeze=False)
    for axis, task in zip(axes[0], tasks, strict=True):
        for place, name in enumerate(OBJECTIVES):
            groups = {flops: runs for (other, flops), runs in grouped(results).items() if other == name}
            means = [statistics.mean(run.scores[task] for run in runs) for runs in groups.values()]
            if name == _RANDOM:
                axis.axhline(means[0], color="gray", linestyle="--", label=name)
                continue
            axis.plot([*groups], means, "-", color=f"C{place}", label=name)
            for flops, runs in groups.items():
                axis.plot([flops] * len(runs), [run.scores[task] for run in runs], "o", alpha=0.5, color=f"C{place}")
        axis.set(xscale="log", xlabel="operations of pretraining", ylabel=TASKS[task].metric.replace("_", " "))
        axis.set_title(f"{task}, dev set")
        axis.grid(alpha=0.3)
    axes[0][-1].legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    figure.savefig(path, dpi=120, bbox_inches="tight")
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--flops", default="3e13,1e13", help="operations of pretraining, of each model")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tasks", default="sst2")
    given = parser.parse_args()
    out, tasks = given.out.absolute(), given.tasks.split(",")
    for task in tasks:
        (out / task).mkdir(parents=True, exist_ok=True)
        write_tables(given.assets, TASKS[task], 0, out / task)
    budgets = [float(flops) for flops in given.flops.split(",")]
    names = [name for name in OBJECTIVES if name != _RANDOM]
    seeds = range(given.seeds)
    order = [(_RANDOM, 0.0, seed) for seed in seeds]
    order += [(name, flops, seed) for flops in budgets for seed in seeds for name in names]
    results: list[Result] = []
    for name, flops, seed in order:
        workdir = pretrain(given.assets, out, name, flops, seed)
        scores = {task: finetune(out, workdir, task, seed) for task in tasks}
        results.append(Result(name, flops, seed, facts(workdir), scores))
        print(*results[-1], sep=", ", flush=True)
        (out / "objectives.md").write_text(table(results, tasks) + "\n")
        draw(results, tasks, out / "objectives.png")
    print(f"{table(results, tasks)}\non {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
