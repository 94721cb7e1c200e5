# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Trains a model, or goes on training it from the workdir's latest checkpoint.

python -m launch.train --config=configs/gpt2_pretrain.py:tiny --workdir=DIR
"""

from pathlib import Path

from absl import flags

from launch import app, config_flags, hosts

_CONFIG = config_flags.define()
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of this experiment: checkpoints, metrics, curves, and the model at the end.", required=True
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder that launch.prepare made; without it the text in the package is prepared in the workdir."
)
flags.register_validator("workdir", bool, message="must name a folder")
hosts.define()


def main(argv: list[str]) -> None:
    del argv
    from zoo.train import RunConfig

    config = RunConfig.from_dict(_CONFIG.value)
    from zoo.train import train
    from zoo.train.build import check_names

    check_names(config)
    with hosts.joined():
        train(config, Path(_WORKDIR.value), Path(_DATA_DIR.value) if _DATA_DIR.value else None)


if __name__ == "__main__":
    app.run(main)
