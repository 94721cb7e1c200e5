# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The input pipeline that `launch.train` runs, alone: tokens a second, and the time to restore a far place of a run.

    python -m benchmarks.input [--rounds=5] [--seconds=4] [--only=rtd-128] [--baseline=810fa8d]

Batches of 32,768 tokens are read and arranged by the pipeline's own threads as the config file of each objective says,
and counted as they arrive. The last figure is the arranging alone, on one thread. Each measurement is a process of its
own. A baseline is a commit, checked out into a temporary worktree and measured in turn with this tree, so that both see
the same load; the ratio is of the medians, for the objectives that it had. The text is the package's own, ten times
over: documents of some 50 tokens, which is the hard case, since a sequence of 1,024 holds 20 of them. Then the batches
of 1, 2 and 4 processes are hashed, which must agree.
"""

import hashlib
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from absl import app, flags

from zoo.data.pipeline import Shard, train_batches
from zoo.data.random import TRAINING, Key
from zoo.data.schema import Dataset
from zoo.data.source import EMBEDDED
from zoo.objectives import Objective
from zoo.train.config import RunConfig
from zoo.train.run_spec import RunSpec

ROOT = Path(__file__).resolve().parents[1]
TOKENS = 32_768  # in a batch
FAR = 10**6  # steps


class Pipeline(NamedTuple):
    """A config file and its variant, with a length and other changes; tokens a second to reach on two free cores."""

    config: str
    seq_len: int
    fields: Mapping[str, Any] = MappingProxyType({})
    target: float = 3e6


PIPELINES = {
    "mlm-128": Pipeline("bert_pretrain:base", 128, target=5e6),
    "mlm-512": Pipeline("bert_pretrain:base", 512, target=5e6),
    "clm-1024": Pipeline("gpt2_pretrain:small", 1024, target=10e6),
    "whole_words-512": Pipeline("bert_pretrain:large,whole_word", 512),
    "mlm_nsp-128": Pipeline("bert_pretrain:base,nsp", 128, {"data.sentences": "line"}),
    "mlm_sop-512": Pipeline("albert_pretrain:base", 512, {"data.sentences": "line"}),
    "rtd-128": Pipeline("electra_pretrain:small", 128),
    "plm-512": Pipeline("xlnet_pretrain:large", 512),
    "prefix_lm-1024": Pipeline("gpt2_pretrain:small", 1024, {"objective.type": "prefix_lm"}),
    "span_corruption-568": Pipeline("t5_pretrain:base", 568),
    "ul2-512": Pipeline("t5_pretrain:base,ul2", 512),
}
BEFORE = ("mlm-128", "mlm-512", "clm-1024")  # what a baseline before these objectives had

ROUNDS = flags.DEFINE_integer("rounds", 5, "measurements of each pipeline; the median counts")
SECONDS = flags.DEFINE_float("seconds", 4.0, "length of one measurement")
ONLY = flags.DEFINE_multi_enum("only", [], [*PIPELINES], "a pipeline to measure; can be given several times")
BASELINE = flags.DEFINE_string("baseline", "", "a commit to measure in turn with this tree")
RESTORE = 50.0  # milliseconds

# What a measurement does with `batches`, an iterator factory, in either tree.
_MEASURE = """
def measure(batches, seconds):
    iterator = batches()
    state = {**iterator.get_state(), "next_index": 10**6}
    tokens = next(iterator)["tokens"].size
    for _ in range(8):
        next(iterator)
    begin, count = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - begin) < seconds:
        next(iterator)
        count += 1
    other = batches()
    begin = time.perf_counter()
    other.set_state(state)
    next(other)
    return {"tokens_per_second": count * tokens / elapsed, "restore_ms": 1e3 * (time.perf_counter() - begin)}
"""
_NOW = """
import json, sys, time
from pathlib import Path
from types import MappingProxyType
from benchmarks import input
from zoo.data.pipeline import train_batches
MEASURE
name, text, folder, seconds = sys.argv[1:]
data, objective = input.prepared(name, Path(text), Path(folder))
rows, split = input.batch_size(data.seq_len), data.split("train")
batches = lambda: iter(train_batches(split, objective.arrange, batch_size=rows, seed=0))
print(json.dumps(measure(batches, float(seconds)) | input.arranging(split, objective, rows)))
"""
# The same for commits before the tokens lay in flat arrays, at whose time rows were read one by one.
_BEFORE = """
import json, sys, time
from pathlib import Path
from types import MappingProxyType
from zoo.convert.tokenizer import load_tokenizer
from zoo.data.config import DataConfig, TokenizerConfig
from zoo.data.pack import open_rows
from zoo.data.pipeline import train_batches
from zoo.data.prepare import prepare
from zoo.tasks import CausalLM, MaskedLM
MEASURE
name, text, folder, seconds = sys.argv[1:]
kind, seq_len = name.split("-")
tokenizer = TokenizerConfig(kind="wordpiece" if kind == "mlm" else "byte_bpe", vocab_size=8000)
config = DataConfig(tokenizer=tokenizer, source=text, row_length=int(seq_len))
folder = prepare(config, folder)
tokenizer = load_tokenizer(folder / "tokenizer")
segments = "documents" if kind == "mlm" else "row"
rows = open_rows(folder, "train", tokenizer, row_length=int(seq_len), segments=segments)
task = (MaskedLM if kind == "mlm" else CausalLM).create(tokenizer, int(seq_len))
batches = lambda: iter(train_batches(rows, task.transform, batch_size=32768 // int(seq_len), seed=0))
print(json.dumps(measure(batches, float(seconds))))
"""


def batch_size(seq_len: int) -> int:
    """Rows of a batch of some `TOKENS`, which 4 processes can share."""
    return TOKENS // seq_len // 4 * 4


def prepared(name: str, text: Path, folder: Path) -> tuple[Dataset, Objective]:
    """The text as a config file arranges it, prepared in `folder`, and the objective that is bound to it."""
    chosen = PIPELINES[name]
    module, variant = chosen.config.split(":")
    config = importlib.import_module(f"configs.{module}").get_config(variant).unlock()
    config.data.update(source=str(text), document="paragraph", seq_len=chosen.seq_len)
    config.data.tokenizer.update(path="", vocab_size=8000)
    if "objective.type" in chosen.fields:
        config.objective = {}
    config.update_from_flattened_dict({"objective.type": config.objective.get("type", ""), **chosen.fields})
    run = RunConfig.from_dict(config)
    data = run.data.open(cache_dir=folder, data_dir=run.data.prepare(folder))
    return data, RunSpec.create(run, data.info).objective


def arranging(split: Any, objective: Objective, rows: int, rounds: int = 20) -> dict[str, float]:
    """Tokens a second of `arrange` alone, in the median of some batches."""
    batch, times = next(iter(train_batches(split, lambda batch, key: batch, batch_size=rows, seed=0))), []
    for step in range(rounds):
        begin = time.perf_counter()
        objective.arrange(dict(batch), Key(0, TRAINING, step, np.arange(rows)))
        times.append(time.perf_counter() - begin)
    return {"arranged_per_second": batch["tokens"].size / float(np.median(times))}


def measure(tree: Path, name: str, text: Path, folder: Path) -> dict[str, float]:
    """One measurement, in a process of its own that imports the package of `tree`."""
    program = (_NOW if (tree / "zoo" / "data" / "packed.py").exists() else _BEFORE).replace("MEASURE", _MEASURE)
    environment = {**os.environ, "PYTHONPATH": str(tree), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", program, name, str(text), str(folder), str(SECONDS.value)]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def digest(data: Dataset, arrange: Objective, processes: int, steps: int = 20) -> str:
    """SHA-256 of the global batches that so many processes read, joined in their order."""
    size = batch_size(data.seq_len)
    shards = [Shard(blocks=(index,), count=processes) for index in range(processes)]
    parts = [
        iter(train_batches(data.split("train"), arrange.arrange, batch_size=size, seed=0, shard=shard))
        for shard in shards
    ]
    found = hashlib.sha256()
    for _ in range(steps):
        batches = [next(part) for part in parts]
        for name in sorted(batches[0]):
            found.update(np.concatenate([batch[name] for batch in batches]).tobytes())
    return found.hexdigest()


def report(name: str, trees: dict[str, Path], text: Path, scratch: Path) -> None:
    """Measures one pipeline in every tree, in turn, and prints the medians."""
    found: dict[str, list[dict[str, float]]] = {tree: [] for tree in trees}
    for number in range(ROUNDS.value + 1):
        for tree, path in trees.items():
            result = measure(path, name, text, scratch / f"{tree}-{name}")
            if number:  # the first round prepares the folder
                found[tree].append(result)
    rates = {tree: np.median([r["tokens_per_second"] for r in results]) for tree, results in found.items()}
    for tree, results in found.items():
        low, high = (f([r["tokens_per_second"] for r in results]) / 1e6 for f in (min, max))
        restored = np.median([r["restore_ms"] for r in results])
        print(
            f"{name:20s} {tree:10s} {rates[tree] / 1e6:8.2f} M tokens/s ({low:.2f} to {high:.2f}), "
            f"a far place restored in {restored:.1f} ms",
            flush=True,
        )
    alone = np.median([r["arranged_per_second"] for r in found["now"]])
    print(f"{name:20s} arranged on one thread {alone / 1e6:.2f} M tokens/s")
    print(f"{name:20s} target     {PIPELINES[name].target / 1e6:8.2f} M tokens/s, {RESTORE:.0f} ms")
    if "baseline" in trees:
        print(f"{name:20s} ratio of medians {rates['now'] / rates['baseline']:.1f}", flush=True)


def main(_) -> None:
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        text = scratch / "text.txt"
        text.write_text("\n\n".join([EMBEDDED.read_text(encoding="utf-8")] * 10), encoding="utf-8")
        trees = {"now": ROOT}
        if BASELINE.value:
            trees["baseline"] = scratch / "tree"
            add = ["git", "worktree", "add", "--detach", str(trees["baseline"]), BASELINE.value]
            subprocess.run(add, cwd=ROOT, check=True, capture_output=True)
        try:
            for name in ONLY.value or PIPELINES:
                report(name, trees if name in BEFORE else {"now": ROOT}, text, scratch)
                data, objective = prepared(name, text, scratch / f"now-{name}")
                hashes = {count: digest(data, objective, count) for count in (1, 2, 4)}
                same = "the same" if len(set(hashes.values())) == 1 else f"DIFFERENT: {hashes}"
                print(f"{name:20s} batches of 1, 2 and 4 processes are {same} ({hashes[1][:16]})", flush=True)
        finally:
            if BASELINE.value:
                remove = ["git", "worktree", "remove", "--force", str(trees["baseline"])]
                subprocess.run(remove, cwd=ROOT, check=True, capture_output=True)


if __name__ == "__main__":
    app.run(main)
