# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Compiles the Hopper attention kernels for an H100, without one: cubins, shared memory, registers spilled; no times.

    python -m benchmarks.gpu_static [--case=bert-512,gpt2-1024]

Needs jax[cuda13], of the release that `zoo.kernels.attention.pallas_gpu.lacks` asks for; the plugin holds the
compiler and the description of the chip. Each compile is a process of its own, since LLVM ends the process on an error.
Exits with 1 if a case does not compile, or takes more shared memory than a block has.
"""

import dataclasses
import importlib.util
import mmap
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from absl import app, flags

CHIP = "NVIDIA H100 80GB HBM3"
ARCHITECTURE = "sm_90a"
SHARED_MEMORY = 227 * 1024  # bytes a block can have


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """Shapes and features of one forward and backward pass; the bias is shared by the batch, as T5's."""

    length: int
    batch: int = 8
    heads: int = 12
    shared: int = 1
    width: int = 64
    causal: bool = False
    window: int | None = None
    segments: bool = False
    bias: str | None = None
    allowed: bool = False
    rate: float = 0.0
    dtype: str = "bfloat16"


CASES = {
    "bert-128": Case(length=128, segments=True),
    "bert-384": Case(length=384, segments=True),
    "bert-512": Case(length=512, segments=True),
    "bert-512-dropout": Case(length=512, segments=True, rate=0.1),
    "bert-512-float16": Case(length=512, segments=True, rate=0.1, dtype="float16"),
    "gpt2-1024": Case(length=1024, causal=True),
    "gpt2-1024-dropout": Case(length=1024, causal=True, rate=0.1),
    "gpt3-1024-window": Case(length=1024, causal=True, window=256, rate=0.1),
    "t5-512-bias": Case(length=512, segments=True, bias="float32"),
    "t5-512-bias-dropout": Case(length=512, segments=True, bias="bfloat16", rate=0.1),
    "xlnet-512-allowed": Case(length=512, bias="float32", allowed=True, rate=0.1),
    "odd-200": Case(length=200),
    "grouped-512": Case(length=512, shared=4, causal=True),
    "width-80": Case(length=512, width=80, segments=True),
    "width-96": Case(length=512, width=96, segments=True),
    "width-128": Case(length=512, width=128, segments=True),
    "width-128-causal": Case(length=1024, width=128, causal=True),
    "width-128-all": Case(
        length=512, width=128, causal=True, window=300, segments=True, bias="float32", allowed=True, rate=0.1
    ),
}

CASE = flags.DEFINE_list("case", list(CASES), f"which of {', '.join(CASES)}")
CHILD = flags.DEFINE_string("child", None, "compile this one here (what the script starts)")


def plugin() -> Path:
    """The library of JAX's CUDA plugin."""
    for name in ("xla_cuda13", "xla_cuda12"):
        if importlib.util.find_spec("jax_plugins") and (found := importlib.util.find_spec(f"jax_plugins.{name}")):
            return Path(str(found.origin)).parent / "xla_cuda_plugin.so"
    sys.exit("JAX's CUDA plugin is not installed: pip install 'jax[cuda13]' (a GPU is not needed).")


def chip_description() -> str:
    """XLA's own description of the chip, a text proto in the plugin that changes with its release."""
    with open(plugin(), "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as library:
        place = library.find(f'device_description_str: "{CHIP}"\n'.encode())
        if place < 0:
            sys.exit(f"{plugin()} has no description of {CHIP!r}; the script is written for jax 0.12.")
        return library[library.rfind(b"\0", 0, place) + 1 : library.find(b"\0", place)].decode()


def compile_case(case: Case) -> None:
    """Prints the bytes of the executable; what the compilers say of each kernel goes where the environment says."""
    import jax
    import jax.numpy as jnp
    import numpy as np
    from jax.experimental import topologies

    from zoo.kernels.attention import AttentionMask, Call, pallas_gpu

    topology = topologies.get_topology_desc("", platform="cuda", target_config=chip_description(), topology="1x1x1")
    mesh = jax.sharding.Mesh(np.array(topology.devices), ("device",))
    replicated = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())

    def array(shape, dtype):
        return jax.ShapeDtypeStruct(shape, dtype, sharding=replicated)

    tokens = (case.batch, case.length)
    query = array((*tokens, case.heads, case.width), case.dtype)
    key = array((*tokens, case.heads // case.shared, case.width), case.dtype)
    bias = array((1, case.heads, case.length, case.length), case.bias) if case.bias else None
    segments = array(tokens, jnp.int32) if case.segments else None
    allowed = array((*tokens, case.length), bool) if case.allowed else None

    def loss(inputs, segments, allowed, seed):
        mask = AttentionMask(
            causal=case.causal,
            window=case.window,
            query_segments=segments,
            key_segments=segments,
            allowed=allowed,
        )
        call = Call(
            *inputs[:3],
            mask=mask,
            bias=inputs[3],
            dropout_rate=case.rate,
            dropout_key=jax.random.key(seed) if case.rate else None,
            scale=case.width**-0.5,
        )
        out = pallas_gpu.attention(call)
        return out.astype(jnp.float32).sum()

    with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
        missing = pallas_gpu.lacks(
            Call(query, key, key, mask=AttentionMask(), bias=bias, dropout_rate=case.rate, scale=1.0)
        )
        if missing:
            sys.exit(missing)
        step = jax.jit(jax.value_and_grad(loss)).lower((query, key, key, bias), segments, allowed, array((), jnp.int32))
        binary = step.compile().runtime_executable().serialize()
    if b"\x7fELF" not in binary:
        sys.exit("The executable holds no machine code.")
    print(f"executable {len(binary)}")


@dataclasses.dataclass(frozen=True)
class Kernel:
    """What the compilers left about one kernel: bytes of shared memory, and of registers that went to memory."""

    name: str
    products: int
    shared_memory: int
    spilled: int


def read_dump(folder: Path) -> list[Kernel]:
    """The kernels that ptxas made machine code of for the chip."""
    kernels = []
    for said in sorted(folder.glob("*.ptxas")):
        spilled = re.search(rf"for '{ARCHITECTURE}'[^|]*stack frame, (\d+) bytes spill stores", said.read_text())
        if not spilled:
            continue
        name = said.stem.rsplit("_", 1)[0]  # Mosaic and ptxas number the kernels each in their own order
        resources = next(folder.glob(f"{name}_*.resources.txt")).read_text()
        scratch = re.search(r"smem_scratch_bytes=(\d+)", resources)
        barriers = re.findall(r"num_barriers=(\d+)[^)]*\): (\d+)", resources)
        size = int(scratch[1] if scratch else 0) + sum(8 * int(each) * int(kinds) for each, kinds in barriers)
        products = said.with_suffix(".ptx").read_text().count("wgmma.mma_async")
        kernels.append(Kernel(name, products, size, int(spilled[1])))
    return kernels


def run(name: str) -> bool:
    """Compiles a case in a process of its own and prints a line a kernel; whether all is well."""
    command = [sys.executable, "-m", "benchmarks.gpu_static", f"--child={name}"]
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        environment = {"JAX_PLATFORMS": "cpu", "MOSAIC_GPU_DUMP_TO": folder}
        done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)
        kernels = read_dump(Path(folder))
    took = time.monotonic() - began
    size = re.search(r"^executable (\d+)$", done.stdout, re.MULTILINE)
    if done.returncode or not size:
        print(f"{name}: does not compile, exit code {done.returncode}\n{(done.stdout + done.stderr)[-2000:]}")
        return False
    print(f"{name}: cubins of {len(kernels)} kernels in an executable of {size[1]} B, compiled in {took:.1f} s")
    for kernel in kernels:
        print(
            f"    {kernel.name:25} {kernel.products:3} wgmma, shared memory {kernel.shared_memory:6} B, "
            f"spilled {kernel.spilled:3} B"
        )
    sound = all(kernel.shared_memory <= SHARED_MEMORY and kernel.products for kernel in kernels)
    return sound and len(kernels) == (4 if CASES[name].bias else 3)


def main(_) -> None:
    if CHILD.value:
        compile_case(CASES[CHILD.value])
        return
    unknown = [name for name in CASE.value if name not in CASES]
    if unknown:
        sys.exit(f"No case {', '.join(unknown)}; choose of {', '.join(CASES)}.")
    chip_description()
    wrong = [name for name in CASE.value if not run(name)]
    print(f"{len(CASE.value) - len(wrong)} of {len(CASE.value)} cases compile for {CHIP} and fit {SHARED_MEMORY} B.")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    app.run(main)
