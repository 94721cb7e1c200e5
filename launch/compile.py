# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Compiles a config's steps for devices that need not be there, and says whether they fit and what they should take.

python -m launch.compile --config=configs/gpt3_pretrain.py:6_7b --topology=v5p:4x4x8

Exit codes: 0 if all steps fit, 1 if one does not (the report is written all the same), 2 if something was refused.
"""

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from absl import flags

from launch import app, config_flags

_CONFIG = config_flags.define()
_TOPOLOGY = flags.DEFINE_string(
    "topology", None, "Chip and rows, such as v5e:4x4 or v5p:4x4x8; or cpu:8.", required=True
)
_STEPS = flags.DEFINE_list("steps", ["train"], "Of train, eval, prefill, decode.")
_JSON = flags.DEFINE_string("json", None, "File for the report as JSON.")

DOES_NOT_FIT = 1  # exit code
_TICK_SECONDS = {True: 1.0, False: 30.0}  # by whether it is a terminal


def main(argv: list[str]) -> int:
    del argv
    _prepare(_TOPOLOGY.value)
    from zoo.aot import Target
    from zoo.train.config import RunConfig

    target = Target.create(RunConfig.from_dict(_CONFIG.value), _TOPOLOGY.value, _STEPS.value)
    steps = []
    for step in _STEPS.value:
        with _progress(f"compiling {step} for {_TOPOLOGY.value}"):
            steps.append(target.compile(step))
    report = target.report(steps)
    if _JSON.value:
        Path(_JSON.value).write_text(json.dumps(report.to_dict(), indent=2) + "\n")
    print(report.text())
    return 0 if report.fits else DOES_NOT_FIT


def _prepare(topology: str) -> None:
    """Settings that JAX reads when it starts: nothing real is touched, and no compilation is remembered or recalled."""
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"
    kind, _, count = topology.partition(":")
    if kind == "cpu" and count.isdecimal():
        kept = [flag for flag in os.environ.get("XLA_FLAGS", "").split() if "host_platform_device_count" not in flag]
        os.environ["XLA_FLAGS"] = " ".join([*kept, f"--xla_force_host_platform_device_count={count}"])


@contextlib.contextmanager
def _progress(label: str) -> Iterator[None]:
    """A line on stderr that says how long it has taken."""
    begin, done, is_terminal = time.monotonic(), threading.Event(), sys.stderr.isatty()

    def tell() -> None:
        while not done.wait(_TICK_SECONDS[is_terminal]):
            passed = f"{label} ... {time.monotonic() - begin:.0f} s"
            print(
                f"\r{passed}" if is_terminal else passed, end="" if is_terminal else "\n", file=sys.stderr, flush=True
            )

    print(f"{label} ...", end="" if is_terminal else "\n", file=sys.stderr, flush=True)
    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()
        if is_terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    app.run(main)
