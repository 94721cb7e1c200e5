# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The zoo and its peers side by side: rounds of every script in turn, medians over the rounds, one table.

A peer is a Python with the peer's packages and a script that takes benchmark names as arguments and prints JSON lines
of `name` and `s` (seconds); `benchmarks.ours` is such a script. Rounds are interleaved because a shared machine's speed
drifts by the hour, and the load average is recorded for the same reason.

python -m benchmarks.peers --peer=hf-torch:ENV/bin/python:peer_torch.py --rounds=5 --record=cpu
"""

import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from absl import app, flags

_PEERS = flags.DEFINE_multi_string("peer", [], "NAME:PYTHON:SCRIPT; may be given several times.")
_NAMES = flags.DEFINE_list("names", ["bert_fwd", "gpt2_gen"], "Benchmarks to run, as the scripts name them.")
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Rounds; each runs every script once.", lower_bound=1)
_RECORD = flags.DEFINE_string("record", None, "Name of the table benchmarks/records/NAME.md; None only prints it.")

_PACKAGES = ("jax", "flax", "torch", "transformers", "keras-hub")
_VERSIONS = f"""
from importlib.metadata import PackageNotFoundError, version
for name in {_PACKAGES}:
    try:
        print(name, version(name))
    except PackageNotFoundError:
        pass
"""

Times = dict[str, dict[str, list[float]]]  # seconds of every round, by benchmark and peer


class Peer(NamedTuple):
    """A name, an interpreter, and the arguments that run the peer's script."""

    name: str
    python: str
    script: tuple[str, ...]

    def run(self, benchmark: str) -> Iterator[tuple[str, float]]:
        """Name and seconds of each line that the script prints for one benchmark."""
        environ = {**os.environ, "HF_HUB_OFFLINE": "1", "JAX_PLATFORMS": "cpu"}
        command = [self.python, *self.script, benchmark]
        out = subprocess.run(command, env=environ, capture_output=True, text=True)
        if out.returncode:
            raise RuntimeError(f"{self.name} failed at {benchmark}:\n{out.stderr[-2000:]}")
        for line in out.stdout.splitlines():
            if line.startswith("{"):
                result = json.loads(line)
                yield result["name"], result["s"]

    def versions(self) -> str:
        out = subprocess.run([self.python, "-c", _VERSIONS], check=True, capture_output=True, text=True)
        return ", ".join(out.stdout.splitlines())


def parse_peer(text: str) -> Peer:
    name, python, script = text.split(":", 2)
    return Peer(name, python, (script,))


def measure(peers: list[Peer], names: list[str], rounds: int) -> tuple[Times, list[float]]:
    """Every peer's times, and the load average before each script."""
    times: Times = defaultdict(lambda: defaultdict(list))
    loads = []
    for number in range(rounds):
        for benchmark in names:
            for peer in peers:
                loads.append(os.getloadavg()[0])
                for name, seconds in peer.run(benchmark):
                    times[name][peer.name].append(seconds)
                    print(
                        f"{number + 1}/{rounds} {name:14} {peer.name:10} {seconds:8.3f} s  load {loads[-1]:.1f}",
                        flush=True,
                    )
    return times, loads


def table(times: Times, peers: list[Peer]) -> str:
    """Medians in seconds; in brackets how many times as long as the zoo that is."""
    names = [peer.name for peer in peers]
    rows = ["| benchmark | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for benchmark, by_peer in times.items():
        medians = {name: statistics.median(seconds) for name, seconds in by_peer.items()}
        rows.append(
            f"| {benchmark} | " + " | ".join(cell(medians.get(name), medians.get("zoo")) for name in names) + " |"
        )
    return "\n".join(rows)


def cell(seconds: float | None, ours: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds:.3f}" if ours is None else f"{seconds:.3f} ({seconds / ours:.2f}x)"


def processor() -> str:
    """The processor's name, where Linux tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def report(times: Times, loads: list[float], peers: list[Peer], rounds: int) -> str:
    versions = "\n".join(f"* {peer.name}: {peer.versions()}" for peer in peers)
    return f"""# Whole models on CPU, {datetime.date.today()}

{processor()}, {os.cpu_count()} cores, float32. Medians of {rounds} interleaved rounds, in seconds; in brackets the
ratio to the zoo's median (above 1: slower than the zoo). Load average before the scripts: {min(loads):.1f} to
{max(loads):.1f}.

{table(times, peers)}

{versions}

Made by `python -m benchmarks.peers`; the benchmarks are described in `benchmarks/ours.py`.
"""


def main(argv: list[str]) -> None:
    del argv
    zoo = Peer("zoo", sys.executable, ("-m", "benchmarks.ours"))
    peers = [zoo, *map(parse_peer, _PEERS.value)]
    text = report(*measure(peers, _NAMES.value, _ROUNDS.value), peers, _ROUNDS.value)
    print(text)
    if _RECORD.value:
        path = Path(__file__).parent / "records" / f"{_RECORD.value}.md"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    app.run(main)
