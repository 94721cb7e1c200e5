# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Compiles a config's steps for devices that need not be present, and reports their memory and predicted time.

python -m launch.compile --config=configs/gpt3_pretrain.py:6_7b --topology=v5p:4x4x8

Exit codes: 0 if all steps fit, 1 if one does not (the report is still written), 2 if an input is invalid.
"""

from absl import flags

from launch import app, config_flags
from launch.ahead import check_json, prepare, progress, write_json

_CONFIG = config_flags.define()
_TOPOLOGY = flags.DEFINE_string(
    "topology", None, "Chip and slice shape, such as v5e:4x4 or v5p:4x4x8; or cpu:8.", required=True
)
_STEPS = flags.DEFINE_list("steps", ["train"], "Steps to compile: train, eval, prefill, decode.")
_TOP = flags.DEFINE_integer(
    "top", 0, "Also show this many operations, ordered by how long the matrix units are idle.", lower_bound=0
)
_JSON = flags.DEFINE_string("json", None, "File for the report as JSON.")

DOES_NOT_FIT = 1  # exit code


def main(argv: list[str]) -> int:
    del argv
    prepare(_TOPOLOGY.value)
    check_json(_JSON.value)
    from zoo.aot import Target
    from zoo.train.config import RunConfig

    target = Target.create(RunConfig.from_dict(_CONFIG.value), _TOPOLOGY.value, _STEPS.value)
    steps = []
    for step in _STEPS.value:
        with progress(f"compiling {step} for {_TOPOLOGY.value}"):
            steps.append(target.compile(step))
    report = target.report(steps)
    print(report.text(_TOP.value))
    write_json(_JSON.value, report.to_dict())
    return 0 if report.fits else DOES_NOT_FIT


if __name__ == "__main__":
    app.run(main)
