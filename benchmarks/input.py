# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The input pipeline that `launch.train` runs, alone: tokens a second, and the time to restore a far place of a run.

    python -m benchmarks.input [--rounds=5] [--seconds=4] [--baseline=810fa8d]

Batches of 32,768 tokens are read, packed and masked by the pipeline's own threads and counted as they arrive: masked
language modelling at 128 and 512 tokens a sequence, with next sentences at 128, with the order of sentences and masked
n-grams at 512, and causal at 1,024. Each measurement is a process of its own. A
baseline is a commit, checked out into a temporary worktree and measured in turn with this tree, so that both see the
same load; the ratio is of the medians. The text is the package's own, ten times over: documents of some 50 tokens,
which is the hard case, since a sequence of 1,024 holds 20 of them. Then the batches of 1, 2 and 4 processes are
hashed, which must agree. Pairs of sentences are not measured at a baseline.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from absl import app, flags

from zoo.data import SentencePairsConfig, TextConfig
from zoo.data.config import TokenizerConfig
from zoo.data.pipeline import Shard, train_batches
from zoo.data.schema import Dataset
from zoo.data.source import EMBEDDED
from zoo.objectives import CausalLM, MaskedLM, NextSentence, Objective, SentenceOrder

ROUNDS = flags.DEFINE_integer("rounds", 5, "measurements of each pipeline; the median counts")
SECONDS = flags.DEFINE_float("seconds", 4.0, "length of one measurement")
BASELINE = flags.DEFINE_string("baseline", "", "a commit to measure in turn with this tree")

ROOT = Path(__file__).resolve().parents[1]
TOKENS = 32_768  # in a batch
FAR = 10**6  # steps
PIPELINES = (("mlm", 128), ("mlm", 512), ("clm", 1024), ("mlm_nsp", 128), ("mlm_sop", 512))
PAIRS = {"mlm_nsp": "next", "mlm_sop": "order"}
TARGETS = {"mlm": 5e6, "clm": 10e6, **dict.fromkeys(PAIRS, 3e6)}  # tokens a second on two free cores
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
from benchmarks import input
from zoo.data.pipeline import train_batches
MEASURE
kind, seq_len, text, folder, seconds = sys.argv[1:]
dataset = input.dataset(kind, int(seq_len), Path(text), Path(folder))
arrange = input.objective(kind, dataset).arrange
rows = input.TOKENS // int(seq_len)
batches = lambda: iter(train_batches(dataset.split("train"), arrange, batch_size=rows, seed=0))
print(json.dumps(measure(batches, float(seconds))))
"""
# The same for commits before the tokens lay in flat arrays, at whose time rows were read one by one.
_BEFORE = """
import json, sys, time
from pathlib import Path
from zoo.convert.tokenizer import load_tokenizer
from zoo.data.config import DataConfig, TokenizerConfig
from zoo.data.pack import open_rows
from zoo.data.pipeline import train_batches
from zoo.data.prepare import prepare
from zoo.tasks import CausalLM, MaskedLM
MEASURE
kind, seq_len, text, folder, seconds = sys.argv[1:]
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


def dataset(kind: str, seq_len: int, text: Path, folder: Path) -> Dataset:
    """The text as the config file of BERT, GPT-2 or ALBERT arranges it, prepared in `folder`."""
    tokenizer = TokenizerConfig(kind="byte_bpe" if kind == "clm" else "wordpiece", vocab_size=8000)
    common = dict(tokenizer=tokenizer, source=str(text), seq_len=seq_len)
    if kind in PAIRS:
        rules = dict(sentences="line", pairs=PAIRS[kind], word_starts=kind == "mlm_sop")
        config = SentencePairsConfig(**common, **rules)
    else:
        config = TextConfig(**common, segments="documents" if kind == "mlm" else "sequence")
    return config.open(cache_dir=folder, data_dir=config.prepare(folder))


def objective(kind: str, dataset: Dataset) -> Objective:
    """The objective, bound to the dataset."""
    objectives = {"mlm": MaskedLM(), "clm": CausalLM(), "mlm_nsp": NextSentence()}
    return objectives.get(kind, SentenceOrder(unit="ngram")).bind(dataset.info)


def measure(tree: Path, kind: str, seq_len: int, text: Path, folder: Path) -> dict[str, float]:
    """One measurement, in a process of its own that imports the package of `tree`."""
    program = (_NOW if (tree / "zoo" / "data" / "packed.py").exists() else _BEFORE).replace("MEASURE", _MEASURE)
    arguments = [kind, str(seq_len), str(text), str(folder), str(SECONDS.value)]
    environment = {**os.environ, "PYTHONPATH": str(tree), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def digest(data: Dataset, arrange: Objective, processes: int, steps: int = 20) -> str:
    """SHA-256 of the global batches that so many processes read, joined in their order."""
    size = TOKENS // data.seq_len
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


def report(kind: str, seq_len: int, trees: dict[str, Path], text: Path, scratch: Path) -> None:
    """Measures one pipeline in every tree, in turn, and prints the medians."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in trees}
    for number in range(ROUNDS.value + 1):
        for name, tree in trees.items():
            result = measure(tree, kind, seq_len, text, scratch / f"{name}-{kind}")
            if number:  # the first round prepares the folder
                found[name].append(result)
    rates = {name: np.median([r["tokens_per_second"] for r in results]) for name, results in found.items()}
    restores = {name: np.median([r["restore_ms"] for r in results]) for name, results in found.items()}
    for name in trees:
        low, high = (f([r["tokens_per_second"] for r in found[name]]) / 1e6 for f in (min, max))
        print(
            f"{kind} {seq_len:5d}  {name:10s} {rates[name] / 1e6:8.2f} M tokens/s ({low:.2f} to {high:.2f}), "
            f"a far place restored in {restores[name]:.1f} ms",
            flush=True,
        )
    print(f"{kind} {seq_len:5d}  target     {TARGETS[kind] / 1e6:8.2f} M tokens/s, {RESTORE:.0f} ms")
    if "baseline" in trees:
        print(f"{kind} {seq_len:5d}  ratio of medians {rates['now'] / rates['baseline']:.1f}", flush=True)


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
            for kind, seq_len in PIPELINES:
                report(kind, seq_len, {"now": ROOT} if kind in PAIRS else trees, text, scratch)
                data = dataset(kind, seq_len, text, scratch / f"now-{kind}")
                hashes = {count: digest(data, objective(kind, data), count) for count in (1, 2, 4)}
                same = "the same" if len(set(hashes.values())) == 1 else f"DIFFERENT: {hashes}"
                print(f"{kind} {seq_len:5d}  batches of 1, 2 and 4 processes are {same} ({hashes[1][:16]})", flush=True)
        finally:
            if BASELINE.value:
                remove = ["git", "worktree", "remove", "--force", str(trees["baseline"])]
                subprocess.run(remove, cwd=ROOT, check=True, capture_output=True)


if __name__ == "__main__":
    app.run(main)
