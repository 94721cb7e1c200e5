# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Trains a model, or goes on training it from the workdir's latest checkpoint.

python -m launch.train --config=configs/gpt2_pretrain.py:tiny --workdir=DIR
"""

from pathlib import Path

from absl import flags

from launch import app, config_flags

_CONFIG = config_flags.define()
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of this experiment: checkpoints, metrics, curves, and the model at the end.", required=True
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder that launch.prepare made; without it the text in the package is prepared in the workdir."
)
flags.register_validator("workdir", bool, message="must name a folder")


def main(argv: list[str]) -> None:
    del argv
    from zoo.train import RunConfig, train

    data_dir = Path(_DATA_DIR.value) if _DATA_DIR.value else None
    train(RunConfig.from_dict(_CONFIG.value), Path(_WORKDIR.value), data_dir)


if __name__ == "__main__":
    app.run(main)
