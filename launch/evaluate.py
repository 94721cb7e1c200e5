# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The metrics of a config's evaluators, of the workdir's latest checkpoint or of any model.

python -m launch.evaluate --config=configs/gpt2_pretrain.py:tiny --workdir=DIR
"""

import json
from pathlib import Path

from absl import flags

from launch import app, config_flags, hosts

_CONFIG = config_flags.define()
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the experiment; evaluation.json goes there.", required=True)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder that launch.prepare made; without it, the workdir's own data."
)
_MODEL = flags.DEFINE_string("model", None, "Hub folder or registry name; without it, the latest checkpoint.")
flags.register_validator("workdir", bool, message="must name a folder")
flags.adopt_module_key_flags(hosts)


def main(argv: list[str]) -> None:
    del argv
    from zoo.multihost.processes import is_primary
    from zoo.train import RunConfig, evaluate_workdir

    data_dir = Path(_DATA_DIR.value) if _DATA_DIR.value else None
    config = RunConfig.from_dict(_CONFIG.value)
    with hosts.joined():
        result = evaluate_workdir(Path(_WORKDIR.value), config=config, data_dir=data_dir, model=_MODEL.value)
        if is_primary():
            print(json.dumps(result, indent=2))


if __name__ == "__main__":
    app.run(main)
