# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Every mistake on a command line is a ConfigError that names the cure, soon and without a traceback."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from launch.config_flags import load, override
from zoo.errors import ConfigError
from zoo.train.config import RunConfig

ROOT = Path(__file__).parents[2]
FILE = """
import ml_collections

def get_config(variant="small"):
    if variant not in ("small", "tiny"):
        raise ValueError("the variants are small, tiny.")
    return ml_collections.ConfigDict(dict(num_steps=3, optimizer=dict(learning_rate=1.0)))
"""
SCRIPT = """
from launch import app, config_flags
from zoo.errors import InputError
CONFIG = config_flags.define()

def main(argv):
    print(CONFIG.value["num_steps"], CONFIG.value["optimizer"]["learning_rate"])
    if CONFIG.value["num_steps"] == 7:
        raise InputError("seven")

app.run(main)
"""


def config():
    return load(str(ROOT / "configs" / "gpt2_pretrain.py") + ":tiny")


def test_a_tokenizer_can_be_named_for_fine_tuning():
    found = override(
        load(str(ROOT / "configs" / "finetune.py")), [("data.tokenizer.path", "FOLDER"), ("init_from", "x")]
    )
    assert RunConfig.from_dict(found).data.tokenizer.path == "FOLDER"


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("num_steps", "7", 7),
        ("optimizer.learning_rate", "1", 1.0),
        ("optimizer.schedule", "cosine", "cosine"),
        ("init_from", "123", "123"),
        ("model.norm_eps", "1e-6", 1e-6),
        ("model.attention.window", "(None, 4)", (None, 4)),
        ("model.attention.window", "4", (4,)),
        ("model.kv_width", "None", None),
        ("model.remat", "full", "full"),
        ("model.label_names", "a,b", ("a", "b")),
        ("evals.validation.num_batches", "2", 2),
        ("data.tokenizer.lower_case", "true", True),
    ],
)
def test_any_field_can_be_set_from_text(path, text, value):
    found = override(config(), [(path, text)])
    for name in path.split("."):
        found = found[name]
    assert found == value and type(found) is type(value)


def test_a_type_decides_the_fields_whatever_the_order():
    found = override(config(), [("objective.mask_rate", "0.2"), ("objective.type", "mlm")])
    assert found["objective"] == {"type": "mlm", "mask_rate": 0.2}


@pytest.mark.parametrize("kind", ["adafactor", "adamw", "lamb", "lion", "muon"])
def test_another_optimizer_keeps_what_all_of_them_have(kind):
    file = load(str(ROOT / "configs" / "gpt2_pretrain.py") + ":tiny")["optimizer"]
    found = override(config(), [("optimizer.type", kind)])
    if kind != "lion":
        found = override(found, [("optimizer.eps", "1e-5")])
    optimizer = RunConfig.from_dict(found).optimizer
    assert (optimizer.learning_rate, optimizer.schedule) == (file["learning_rate"], "cosine")
    # Lamb is an AdamW; what the others call b2 is not what AdamW's was chosen for.
    assert found["optimizer"].get("b2") == (file["b2"] if kind in ("adamw", "lamb") else None)


@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        ("optimizer.lerning_rate", "1", "config.optimizer has no field 'lerning_rate'; did you mean 'learning_rate'"),
        ("optimiser.b1", "1", "did you mean 'optimizer'"),
        ("num_steps.more", "1", "config.num_steps is a field, not a group"),
        ("num_steps", "True", "config.num_steps must be int; found 'True'"),
        ("num_steps", "1.5", "must be int"),
        ("optimizer.learning_rate", "None", "a finite float"),
        ("optimizer.learning_rate", "inf", "a finite float"),
        ("optimizer", "{}", "config.optimizer is a group of fields"),
        ("model.attention", "{}", "is a group of fields"),
        ("model.attention.windw", "1", "did you mean 'window'"),
        ("model.widht", "1", "did you mean 'width'"),
        ("model.stack", "scam", "config.model.stack must be"),
        ("objective.mask_rate", "0.2", "config.objective has no field 'mask_rate'"),
        ("objective.type", "mln", "config.objective.type must be"),
        ("evals.test.num_batches", "1", "config.evals has no 'test'; the config defines validation"),
        ("data.tokenizer.lower_case", "1", "True or False"),
    ],
)
def test_what_cannot_be_set(path, text, words):
    with pytest.raises(ConfigError, match=words):
        override(config(), [(path, text)])


def test_files(tmp_path):
    (tmp_path / "c.py").write_text(FILE)
    assert load(f"{tmp_path}/c.py:tiny")["num_steps"] == 3
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
        (["--config={}/c.py", "--config.optimizer.learning_rate=2", "--config.num_steps", "4"], 0, "4 2.0"),
        (["--config", "{}/c.py", "--config.num_steps=7"], 2, "InputError: seven"),
        (["--config={}/c.py", "--config.optimizer.lerning_rate=1"], 2, "did you mean 'learning_rate'?"),
        (["--config={}/c.py", "--config.num_steps=True"], 2, "config.num_steps must be int; found 'True'"),
        (["--config={}/c.py", "num_steps=3"], 2, "unexpected argument 'num_steps=3'"),
        (["--config={}/c.py", "--config.num_steps"], 2, "has no value"),
        (["--config.num_steps=3"], 2, "need --config=FILE.py"),
        ([], 2, "--config is required; --help"),
        (["--cofnig={}/c.py"], 2, "Did you mean: config"),
        (["--help"], 0, "--config"),
    ],
)
def test_command_line(tmp_path, flags, code, said):
    (tmp_path / "c.py").write_text(FILE)
    (tmp_path / "run.py").write_text(SCRIPT)
    command = [sys.executable, str(tmp_path / "run.py"), *(flag.format(tmp_path) for flag in flags)]
    done = subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    assert said in (done.stderr if code else done.stdout)


# Where Python drops what is raised: a callback of the garbage collector, by the name of JAX's own.
INTERRUPTED = """
import gc, os, signal, time
from launch import app, config_flags
CONFIG = config_flags.define()

def _xla_gc_callback(phase, info):
    gc.callbacks.remove(_xla_gc_callback)
    os.kill(os.getpid(), signal.SIGINT)

def main(argv):
    if CONFIG.name == "callback":
        gc.callbacks.append(_xla_gc_callback)
        gc.collect()
    else:
        os.kill(os.getpid(), signal.SIGINT)
    time.sleep(20)

app.run(main)
"""


@pytest.mark.parametrize("where", ["callback", "main"])
def test_ctrl_c_is_one_line_and_never_dropped(tmp_path, where):
    (tmp_path / "run.py").write_text(INTERRUPTED)
    command = [sys.executable, str(tmp_path / "run.py"), f"--config={where}"]
    began = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")
    assert time.monotonic() - began < 15
