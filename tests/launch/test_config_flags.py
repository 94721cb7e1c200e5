# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Every mistake on a command line is a ConfigError that names the cure, soon and without a traceback."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from launch.config_flags import check_names, check_types, load
from zoo.errors import ConfigError

ROOT = Path(__file__).parents[2]
DEFAULTS = dict(
    steps=3, rate=0.1, on=True, name="x", sizes=(1, 2), nothing=None, optimizer=dict(learning_rate=1.0, b1=0.9)
)
FILE = """
import ml_collections

def get_config(variant="small"):
    if variant not in ("small", "tiny"):
        raise ValueError("the variants are small, tiny.")
    return ml_collections.ConfigDict(dict(steps=3, optimizer=dict(learning_rate=1.0, clip=True)))
"""
SCRIPT = """
import sys
from launch import app, config_flags
from zoo.errors import InputError
CONFIG = config_flags.define()

def main(argv):
    print(CONFIG.value.steps, CONFIG.value.optimizer.learning_rate, "jax" in sys.modules)
    if CONFIG.value.steps == 7:
        raise InputError("seven")

app.run(main)
"""


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("optimizer.lerning_rate", "config.optimizer has no field 'lerning_rate'; did you mean 'learning_rate'"),
        ("optimiser.b1", "did you mean 'optimizer'"),
        ("zzz", "its fields are steps"),
        ("steps.more", "config.steps is a field"),
    ],
)
def test_names(path, words):
    with pytest.raises(ConfigError, match=words):
        check_names(DEFAULTS, ["rate", path])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (dict(steps=True), "config.steps must be an int; found True"),
        (dict(steps=1.0), "an int"),
        (dict(rate=None), "config.rate must be a float; found None"),
        (dict(rate=True), "a float"),
        (dict(on=1), "True or False"),
        (dict(name=3), "text"),
        (dict(sizes=(1, None)), "config.sizes"),
        (dict(sizes=3), "config.sizes"),
        (dict(optimizer=3), "config.optimizer must be a group"),
        (dict(optimizer=dict(learning_rate=1.0)), "config.optimizer.b1 is missing"),
        (dict(optimizer=dict(lerning_rate=1.0, b1=0.9)), "no field 'lerning_rate'; did you mean"),
    ],
)
def test_types(change, words):
    with pytest.raises(ConfigError, match=words):
        check_types(DEFAULTS, {**DEFAULTS, **change})


def test_what_is_right_passes():
    check_names(DEFAULTS, ["optimizer.b1", "sizes"])
    check_types(DEFAULTS, {**DEFAULTS, "rate": 1, "sizes": [4], "nothing": "now something"})


def test_files(tmp_path):
    (tmp_path / "c.py").write_text(FILE)
    assert load(f"{tmp_path}/c.py:tiny")["steps"] == 3
    with pytest.raises(ConfigError, match="refuses 'tinny': the variants are"):
        load(f"{tmp_path}/c.py:tinny")
    with pytest.raises(ConfigError, match="not a file"):
        load(f"{tmp_path}/d.py")
    (tmp_path / "e.py").write_text("")
    with pytest.raises(ConfigError, match="no get_config"):
        load(f"{tmp_path}/e.py")


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["--config={}/c.py", "--config.optimizer.learning_rate=2", "--noconfig.optimizer.clip"], 0, "3 2.0 False"),
        (["--config", "{}/c.py", "--config.steps=7"], 2, "InputError: seven"),
        (["--config={}/c.py", "--config.optimizer.lerning_rate=1"], 2, "did you mean 'learning_rate'?"),
        (["--config={}/c.py", "--config.steps=True"], 2, "ConfigError: flag --config.steps=True"),
        (
            ["--config={}/c.py", "--config.optimizer={{'learning_rate':None,'clip':True}}"],
            2,
            "must be a float; found None",
        ),
        (["--config={}/c.py", "steps=3"], 2, "unexpected argument 'steps=3'"),
        (["--config.steps=3"], 2, "need --config=FILE.py"),
        (["--cofnig={}/c.py"], 2, "Did you mean: config"),
    ],
)
def test_command_line(tmp_path, flags, code, said):
    (tmp_path / "c.py").write_text(FILE)
    (tmp_path / "run.py").write_text(SCRIPT)
    command = [sys.executable, str(tmp_path / "run.py"), *(flag.format(tmp_path) for flag in flags)]
    start = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    assert said in (done.stderr if code else done.stdout)
    assert time.monotonic() - start < 10  # 0.3 s on an idle machine; an import of JAX takes longer
