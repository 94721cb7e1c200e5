# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The commands as a user types them, and the config files."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from configs import (
    albert_pretrain,
    bert_pretrain,
    electra_pretrain,
    gpt2_pretrain,
    gpt3_pretrain,
    gpt_pretrain,
    roberta_pretrain,
    t5_pretrain,
    transformer_wmt,
    xlnet_pretrain,
)
from tests.objectives.fakes import Vocabulary
from zoo.train.config import RunConfig
from zoo.train.run_spec import RunSpec

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = (
    albert_pretrain,
    bert_pretrain,
    electra_pretrain,
    gpt2_pretrain,
    gpt3_pretrain,
    gpt_pretrain,
    roberta_pretrain,
    t5_pretrain,
    transformer_wmt,
    xlnet_pretrain,
)
VARIANTS = [(module, name) for module in CONFIGS for name in {**module.SIZES, "tiny": None}]
VARIANTS += [(bert_pretrain, name) for name in ("large,whole_word", "base,nsp", "large,whole_word,nsp", "tiny,nsp")]
VARIANTS += [(electra_pretrain, name) for name in ("base,replace_mlm", "tiny,all_tokens_mlm")]
VARIANTS += [(t5_pretrain, "base,ul2"), (t5_pretrain, "tiny,ul2"), (transformer_wmt, "tiny,bleu")]


def launch(name: str, *flags: str) -> subprocess.CompletedProcess:
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", f"launch.{name}", "--config=configs/gpt2_pretrain.py:tiny", *flags]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True)


@pytest.mark.parametrize(("module", "variant"), VARIANTS)
def test_every_variant_is_a_run(module, variant):
    config = module.get_config(variant)
    assert config.is_locked
    run = RunConfig.from_dict(config)
    vocab_size = run.data.tokenizer.vocab_size
    ids = dict(special_ids=frozenset({0, 1}), pad_id=0, eos_id=1, mask_id=1, cls_id=0, sep_id=1, sentinels=100)
    vocabulary = Vocabulary(vocab_size=vocab_size, **ids)
    spec = RunSpec.create(run, run.data.outline(vocabulary))
    filled_up = run.model.changes.get("vocab_size", vocab_size)  # so that a mesh can split it
    assert spec.model.vocab_size == filled_up >= run.data.tokenizer.vocab_size


@pytest.mark.parametrize("module", CONFIGS)
def test_an_unknown_variant_names_the_known(module):
    with pytest.raises(ValueError, match="tiny"):
        module.get_config("tinny")


def test_configs_import_only_ml_collections_and_each_other():
    for path in (ROOT / "configs").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert {name.name for name in node.names} <= {"ml_collections"}, path
            elif isinstance(node, ast.ImportFrom):
                assert node.module in ("configs", "typing"), path


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--config.optimizer.lerning_rate=1"], "learning_rate"),
        (["--config.batch_size=True"], "batch_size"),
        (["--config.num_steps=0"], "num_steps"),
    ],
)
def test_a_wrong_flag_is_one_line_and_leaves_nothing(tmp_path, flags, message):
    result = launch("train", f"--workdir={tmp_path / 'run'}", *flags)
    assert result.returncode == 2, result.stderr
    assert message in result.stderr and "Traceback" not in result.stderr
    assert not (tmp_path / "run").exists()


def test_evaluating_nothing(tmp_path):
    result = launch("evaluate", f"--workdir={tmp_path / 'run'}")
    assert result.returncode == 2, result.stderr
    assert "holds no checkpoint" in result.stderr and "Traceback" not in result.stderr
