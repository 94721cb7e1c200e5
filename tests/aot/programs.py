# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What the TPU's compiler makes of configs, recorded so that a change that costs memory, work or traffic is seen.

python -m tests.aot.programs [NAME ...]     # compiles again and writes tests/golden/programs.json
"""

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

RECORD = Path(__file__).resolve().parents[1] / "golden" / "programs.json"
FIGURES = ("peak_bytes", "program_flops", "sent_bytes")


class Case(NamedTuple):
    """A config and its variant, fields that differ by dotted paths, and the slice that it is compiled for."""

    config: str
    topology: str
    changes: dict[str, Any]


_SHORT = {"model.num_layers": 2, "grad_accum_steps": 1}
QUICK = {
    "bert-2-layers-fsdp": Case(
        "bert:base", "v5e:2x2", {**_SHORT, "batch_size": 64, "rules": "fsdp", "mesh": "fsdp:4", "model.remat": "mlp"}
    ),
}
SLOW = {
    "gpt2-2-layers": Case("gpt2:small", "v5e:2x2", {**_SHORT, "batch_size": 16, "model.remat": "cheap"}),
    "gpt2-small": Case("gpt2:small", "v5e:2x2", {"batch_size": 16, "grad_accum_steps": 1, "model.remat": "cheap"}),
    "gpt2-medium": Case("gpt2:medium", "v5e:2x2", {
        "batch_size": 16, "grad_accum_steps": 1, "model.remat": "mlp", "rules": "fsdp", "mesh": "fsdp:4"}),
    "gpt2-xl": Case("gpt2:xl", "v5e:2x2", {
        "batch_size": 4, "grad_accum_steps": 1, "model.remat": "full", "rules": "fsdp", "mesh": "fsdp:4"}),
    "bert-base": Case("bert:base", "v5e:2x2", {"model.remat": "cheap"}),
    "bert-large": Case("bert:large", "v5e:2x2", {"data.seq_len": 512, "model.remat": "full"}),
    "gpt3-1.3b": Case("gpt3:1_3b", "v5p:2x2x1", {
        "batch_size": 32, "model.remat": "mlp", "rules": "fsdp", "mesh": "fsdp:4"}),
}  # fmt: skip


def measure(case: Case) -> dict[str, Any]:
    """Compiles it."""
    from configs import bert_pretrain, gpt2_pretrain, gpt3_pretrain
    from zoo.aot import Target
    from zoo.train.config import RunConfig

    file, _, variant = case.config.partition(":")
    module = {"bert": bert_pretrain, "gpt2": gpt2_pretrain, "gpt3": gpt3_pretrain}[file]
    config = module.get_config(variant).unlock()
    for path, value in case.changes.items():
        *groups, name = path.split(".")
        group = config
        for part in groups:
            group = group[part]
        group[name] = value
    target = Target.create(RunConfig.from_dict(config), case.topology)
    step = target.compile("train")
    report = target.report([step])
    if step.memory is None:
        raise RuntimeError(f"{case} does not fit: {report.text()}")
    return {
        "versions": report.versions,
        "peak_bytes": step.memory.peak,
        "program_flops": step.program_flops,
        "sent_bytes": sum(traffic.sent_bytes for traffic in step.collectives),
        "fingerprint": step.fingerprint,
    }


def recorded() -> dict[str, dict[str, Any]]:
    return json.loads(RECORD.read_text()) if RECORD.exists() else {}


def main(names: list[str]) -> None:
    from launch.ahead import prepare

    prepare("v5e:2x2")
    found = recorded()
    for name, case in (QUICK | SLOW).items():
        if not names or name in names:
            found[name] = measure(case)
            RECORD.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
            print(name, found[name], flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
