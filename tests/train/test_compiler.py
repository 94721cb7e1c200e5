# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The options of steps: every TPU's compiler knows those of its row, and what is not an option is refused at once."""

import pytest

from zoo.aot import topology
from zoo.cost.chips import CHIPS
from zoo.errors import ConfigError
from zoo.sharding.mesh import make_mesh
from zoo.train import compiler


def test_every_chip_has_its_row():
    assert compiler.OPTIONS.keys() == CHIPS.keys()


def test_a_cpu_has_none():
    assert compiler.compiler_options(make_mesh()) == {}


def test_a_line_of_changes():
    line = "xla_a=true, xla_b=False,xla_c=12,xla_d=-1,xla_e=AUTO,xla_f="
    expected = {"xla_a": True, "xla_b": False, "xla_c": 12, "xla_d": -1, "xla_e": "AUTO", "xla_f": ""}
    assert compiler.parse_options(line) == expected and compiler.parse_options("") == {}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("xla_a", r"'xla_a' is not an option; write xla_NAME=VALUE"),
        ("--xla_a=1", r"'--xla_a=1' is not an option"),
        ("xla_a=1,xla_a=2", r"names xla_a twice"),
        ("xla_no_such_thing=1", r"refuses an option .*xla_no_such_thing.*=NAME= leaves out"),
        ("xla_cpu_enable_fast_min_max=1", r"refuses an option .*switches are true or false"),
        ("xla_no_such_thing=", r"leaves out xla_no_such_thing, which is not given: .*none"),
    ],
)
def test_what_is_refused(line, message):
    with pytest.raises(ConfigError, match=message):
        compiler.compiler_options(make_mesh(), line)


def test_changes_reach_the_compiler():
    options = compiler.compiler_options(make_mesh(), "xla_cpu_enable_fast_math=true")
    assert options == {"xla_cpu_enable_fast_math": True}


@pytest.mark.usefixtures("tpu_compiler")
@pytest.mark.parametrize("name", [*topology.NAMES, "v4:2x2x1"])
def test_a_tpu_knows_its_row(name):
    mesh = make_mesh("data:-1", topology.devices(name))
    row = compiler.OPTIONS[name.partition(":")[0]]
    assert compiler.compiler_options(mesh) == row
    left = next(iter(row))
    assert compiler.compiler_options(mesh, f"{left}=") == {key: value for key, value in row.items() if key != left}
    with pytest.raises(ConfigError, match=f"leaves out xla_tpu_no_such_thing.*{left}"):
        compiler.compiler_options(mesh, "xla_tpu_no_such_thing=")
    with pytest.raises(ConfigError, match="xla_tpu_no_such_thing"):
        compiler.compiler_options(mesh, "xla_tpu_no_such_thing=1")


def test_one_gpu_has_nothing_to_hide():
    assert compiler.defaults("NVIDIA H100 80GB HBM3", 1) == {}
    assert compiler.defaults("NVIDIA H100 80GB HBM3", 8) == compiler.OPTIONS["h100"]
    assert compiler.defaults("TPU v6 lite", 1) == compiler.OPTIONS["v6e"]
