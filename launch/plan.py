# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Finds the fastest layout of a config's training on a slice of TPUs: preset, mesh, micro-batch and remat policy.

python -m launch.plan --config=configs/gpt2_pretrain.py:xl --topology=v5e:2x2
python -m launch.plan --config=configs/gpt3_pretrain.py:1_3b --topology=v5p --chips=16

It estimates every layout, compiles the best few to verify them, and prints a table with flags to paste. The batch is
the config's (--config.batch_size=). Exit codes: 0 if a layout fits, 2 if none does or if an input is invalid.
"""

from absl import flags

from launch import app, config_flags
from launch.ahead import check_json, prepare, progress, write_json

_CONFIG = config_flags.define()
_TOPOLOGY = flags.DEFINE_string(
    "topology", None, "Chip and slice shape, such as v5e:4x4; with --chips, a chip alone.", required=True
)
_CHIPS = flags.DEFINE_integer("chips", None, "Use the largest slice with at most this many chips.", lower_bound=1)
_COMPILE = flags.DEFINE_integer("compile", 3, "How many of the best layouts to compile.", lower_bound=0)
_JSON = flags.DEFINE_string("json", None, "File for the table as JSON.")


def main(argv: list[str]) -> None:
    del argv
    prepare(_TOPOLOGY.value)
    check_json(_JSON.value)
    from zoo.aot import topology
    from zoo.aot.search import search
    from zoo.aot.table import describe, to_dict
    from zoo.cost.chips import lookup
    from zoo.errors import ConfigError
    from zoo.train.config import RunConfig
    from zoo.train.run_spec import check_names

    config = RunConfig.from_dict(_CONFIG.value)
    check_names(config)
    name = topology.within(_TOPOLOGY.value, _CHIPS.value)
    devices = topology.devices(name)
    if devices[0].platform != "tpu":
        raise ConfigError(
            f"Layouts are estimated from the figures of a chip, and {name} has none; name a slice of TPUs."
        )
    chip = lookup(devices[0].device_kind)
    slices = len({getattr(device, "slice_index", 0) for device in devices})
    found = search(config, name, chip, len(devices), slices=slices, compiled=_COMPILE.value, progress=progress)
    print(describe(found, config, name, chip))
    write_json(_JSON.value, to_dict(found, name))


if __name__ == "__main__":
    app.run(main)
