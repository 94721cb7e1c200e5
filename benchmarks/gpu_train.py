# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Training steps on one GPU: ours in several ways beside Transformers', eager and compiled; rounds take turns.

    python -m benchmarks.gpu_train --row=bert-large-512 [--ours=pallas_gpu/scan/cheap,xla/scan/none] [--torch=compile]

bfloat16 products, float32 parameters, AdamW, full rows without padding. Ours is the step that `launch.train` takes, on
rows that name their documents, here one a row; Transformers' model gets no mask. It computes a masked LM's logits
at every position, ours at the masked ones and, by `every position`, likewise at all. MFU is by `zoo.cost.flops` of
what the model needs (what remat recomputes does not count), torch's with logits at every position.
`--profile` lists the kernels of a step of the first, copies included. The peak of memory in use is that of the
first, too. Needs torch and transformers, unless `--torch=`; JAX takes 75 % of the memory, so that both may need
XLA_PYTHON_CLIENT_MEM_FRACTION=.45. Exits with 1 if anything was left out.
"""

import gc
import importlib.metadata
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from absl import app, flags
from flax import nnx
from tqdm import tqdm

import zoo
from benchmarks.ours import masked, packed
from zoo.cost import flops
from zoo.cost.chips import peak_flops_per_second
from zoo.objectives import CausalLM, MaskedLM
from zoo.optim.chain import make_optimizer
from zoo.optim.optimizers import AdamW
from zoo.train.state import TrainState
from zoo.train.step import make_train_step


class Row(NamedTuple):
    """A model, rows of so many tokens in a batch, and the chance of dropout everywhere."""

    model: str
    batch: int
    length: int
    dropout: float


ROWS = {
    "bert-base-128": Row("bert-base-uncased", 256, 128, 0.1),
    "bert-base-512": Row("bert-base-uncased", 64, 512, 0.1),
    "bert-large-512": Row("bert-large-uncased", 32, 512, 0.1),
    "bert-large-512-no-dropout": Row("bert-large-uncased", 32, 512, 0.0),
    "gpt2-1024": Row("gpt2", 16, 1024, 0.0),
    "gpt2-medium-1024": Row("gpt2-medium", 16, 1024, 0.0),
    "bert-tiny-64": Row("bert-tiny", 2, 64, 0.1),  # to try the script where there is no GPU
}
_MASKED = 0.15

ROW = flags.DEFINE_enum("row", "bert-large-512", list(ROWS), "model and batch")
OURS = flags.DEFINE_list(
    "ours",
    ["chosen/scan/none", "chosen/scan/cheap", "chosen/loop/none", "xla/scan/none"],
    "ATTENTION/STACK/REMAT of each of ours; the attention `chosen` is the dispatcher's choice",
)
TORCH = flags.DEFINE_list("torch", ["eager", "compile"], "Transformers by these; empty leaves it out")
ROUNDS = flags.DEFINE_integer("rounds", 5, "rounds of each", lower_bound=1)
STEPS = flags.DEFINE_integer("steps", 10, "steps in a round, dispatched one after the other", lower_bound=1)
PROFILE = flags.DEFINE_integer("profile", 0, "so many of the kernels that take longest", lower_bound=0)

Step = Callable[[], Any]


class Contender(NamedTuple):
    """`run` starts a step and returns something to wait for."""

    name: str
    run: Step
    wait: Callable[[Any], Any]
    flops: int


def operations(row: Row, predictions: int | None) -> int:
    """Of a step whose masked LM predicts so many tokens a row, None being all of them."""
    config = zoo.config(row.model)
    head = "causal_lm" if config.attention.causal else "masked_lm"
    predictions = None if config.attention.causal else predictions or row.length
    return flops.TRAINING * flops.forward(
        config, head=head, batch=row.batch, length=row.length, predictions=predictions
    )


def tokens_of(row: Row) -> np.ndarray:
    """The same for all contenders."""
    high = zoo.config(row.model).vocab_size
    return np.random.default_rng(0).integers(1000, high, (row.batch, row.length)).astype(np.int32)


def ours(row: Row, way: str, every: bool = False) -> Contender:
    """The zoo's step, in one of the ways that `--ours` names."""
    attention, stack, remat = way.split("/")
    base = zoo.config(row.model)
    rates = dict.fromkeys(("embed_dropout", "hidden_dropout", "attention_dropout"), row.dropout)
    kernel = None if attention == "chosen" else attention
    config = base.replace(stack=stack, remat=remat, dtype="bfloat16", attention_kernel=kernel, **rates)
    batch, predictions = packed(tokens_of(row)), None
    if config.attention.causal:
        objective: Any = CausalLM()
    else:
        predictions = row.length if every else round(_MASKED * row.length)
        objective = MaskedLM(max_predictions=predictions)
        batch = masked(batch, predictions)
    model = zoo.create(config, head=objective.head)
    graphdef, params = nnx.split(model)
    optimizer = make_optimizer(AdamW(learning_rate=1e-4, warmup_steps=10), 10_000)
    states = [TrainState.create(nnx.to_pure_dict(params), {}, optimizer, seed=0)]
    placed = jax.device_put(batch)
    step = make_train_step(graphdef, objective, optimizer).lower(states[0], placed).compile()
    del model, params

    def run() -> Any:
        states[0], sums = step(states[0], placed)
        return sums

    name = f"zoo {way}" + (" every position" if every else "")
    planned = step.memory_analysis()
    if planned is not None:
        size = planned.argument_size_in_bytes + planned.temp_size_in_bytes + planned.output_size_in_bytes
        print(f"{name}: {(size - planned.alias_size_in_bytes) / 2**30:.2f} GiB by the compiler", flush=True)
    return Contender(name, run, jax.block_until_ready, operations(row, predictions))


def torch_library(row: Row, mode: str) -> Contender:
    """Transformers's step: `sdpa` attention, autocast to bfloat16, fused AdamW."""
    import torch
    import transformers

    on = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(0)
    torch.set_float32_matmul_precision("high")
    config = zoo.config(row.model)
    if config.attention.causal:
        rates = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), row.dropout)
        sizes = {"n_embd": config.width, "n_layer": config.num_layers, "n_head": config.num_heads}
        made = transformers.GPT2Config(**sizes, **rates, attn_implementation="sdpa", use_cache=False)
        model: Any = transformers.GPT2LMHeadModel(made)
    else:
        rates = dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob"), row.dropout)
        made = transformers.BertConfig(
            hidden_size=config.width, num_hidden_layers=config.num_layers, num_attention_heads=config.num_heads,
            intermediate_size=config.mlp_width, attn_implementation="sdpa", **rates,
        )  # fmt: skip
        model = transformers.BertForMaskedLM(made)
    model = model.train().to(on)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4, fused=True)
    tokens = torch.from_numpy(tokens_of(row)).long().to(on)

    def forward() -> Any:
        with torch.autocast(on, torch.bfloat16):
            return model(input_ids=tokens, labels=tokens).loss

    loss = torch.compile(forward) if mode == "compile" else forward

    def run() -> Any:
        optimizer.zero_grad(set_to_none=True)
        found = loss()
        found.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return found

    return Contender(
        f"torch {mode}", run, lambda _: torch.cuda.synchronize() if on == "cuda" else None, operations(row, None)
    )


def seconds(contenders: list[Contender]) -> dict[str, float]:
    """Of one step, the median over rounds in which all take turns."""
    times: dict[str, list[float]] = {each.name: [] for each in contenders}
    for _ in tqdm(range(ROUNDS.value), unit=" rounds", disable=None):
        for each in contenders:
            each.wait(each.run())
            start = time.perf_counter()
            last = [each.run() for _ in range(STEPS.value)][-1]
            each.wait(last)
            times[each.name].append((time.perf_counter() - start) / STEPS.value)
    return {name: statistics.median(found) for name, found in times.items()}


def profile(contender: Contender, steps: int = 3) -> str:
    """The kernels that take longest, in milliseconds a step."""
    times: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            contender.wait([contender.run() for _ in range(steps)][-1])
        for path in Path(folder).rglob("*.xplane.pb"):
            for plane in jax.profiler.ProfileData.from_file(str(path)).planes:
                for line in plane.lines if "GPU" in plane.name else ():
                    for event in line.events if line.name.startswith("Stream") else ():
                        times[event.name] += event.duration_ns
                        calls[event.name] += 1
    lines = [f"{sum(times.values()) / steps / 1e6:.1f} ms of kernels in a step of {contender.name}"]
    for name, nanoseconds in times.most_common(PROFILE.value):
        lines.append(f"{nanoseconds / steps / 1e6:8.2f} ms {calls[name] / steps:6.0f} x {name[:110]}")
    return "\n".join(lines)


def main(_: Any) -> None:
    row, device = ROWS[ROW.value], jax.devices()[0]
    causal = zoo.config(row.model).attention.causal
    contenders: list[Contender] = []
    left_out = []

    def add(name: str, make: Callable[[], Contender]) -> bool:
        try:
            made, start = make(), time.perf_counter()
            made.wait(made.run())
            print(f"{made.name}: first step {time.perf_counter() - start:.1f} s", flush=True)
            contenders.append(made)
        except Exception as error:  # a kernel, a compiler or a full memory says so in many ways
            print(f"{name}: left out, {type(error).__name__}: {str(error)[:400]}", flush=True)
            left_out.append(name)
        gc.collect()
        return name not in left_out

    for way in OURS.value:
        added = add(way, lambda way=way: ours(row, way))
        if added and way == OURS.value[0] and (stats := device.memory_stats()):
            print(f"peak {stats['peak_bytes_in_use'] / 2**30:.2f} GiB in use", flush=True)
    if not causal and OURS.value:
        add("every position", lambda: ours(row, OURS.value[0], every=True))
    for mode in filter(None, TORCH.value):
        add(f"torch {mode}", lambda mode=mode: torch_library(row, mode))
    if not contenders:
        sys.exit("Nothing could run.")
    found = seconds(contenders)
    first = found[contenders[0].name]
    peak = peak_flops_per_second([device])
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}"
        for name in ("jax", "jaxlib", "flax", *(["torch", "transformers"] if TORCH.value else []))
    )
    print(f"\n{ROW.value}: {row.batch} rows of {row.length}, dropout {row.dropout}; {device.device_kind}; {versions}\n")
    print("| step | ms | tokens/s | MFU | times the first |\n|---|---|---|---|---|")
    for each in contenders:
        took = found[each.name]
        mfu = f"{each.flops / took / peak:.1%}" if peak else ""
        print(f"| {each.name} | {1e3 * took:.1f} | {row.batch * row.length / took:,.0f} | {mfu} | {took / first:.2f} |")
    if PROFILE.value:  # last: CUDA may fail in a process that has been profiled (jax-ml/jax#40260)
        print(f"\n{profile(contenders[0])}")
    sys.exit(1 if left_out else 0)


if __name__ == "__main__":
    app.run(main)
