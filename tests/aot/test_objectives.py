# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Steps of every pretraining objective, compiled for CPUs and for TPUs that are not there."""

import pytest

from configs import bert_pretrain, electra_pretrain, t5_pretrain
from tests.aot.configs import tiny
from tests.launch.test_train import CONFIGS
from zoo.aot import Target
from zoo.aot.target import STEPS
from zoo.train.config import RunConfig

TINY = [(module, "tiny") for module in CONFIGS]
TINY += [(bert_pretrain, "tiny,nsp"), (electra_pretrain, "tiny,all_tokens_mlm"), (electra_pretrain, "tiny,replace_mlm")]
TINY += [(t5_pretrain, "tiny,ul2")]


@pytest.mark.parametrize("step", STEPS)
def test_a_translator(step):
    found = Target.create(tiny("seq2seq", batch_size=8), "cpu:8", STEPS).compile(step)
    assert found.fits and found.program_flops == pytest.approx(found.model_flops, rel=0.01)


@pytest.mark.slow
@pytest.mark.usefixtures("tpu_compiler")
@pytest.mark.parametrize("place", ["v5e:2x2", "v5p:2x2x1"])
@pytest.mark.parametrize(("module", "variant"), TINY)
def test_every_config_on_tpus(module, variant, place):
    config = module.get_config(variant).unlock()
    config.update({"mesh": "fsdp:4", "rules": "fsdp"})
    found = Target.create(RunConfig.from_dict(config), place).compile("train")
    assert found.fits and not found.not_analysed and found.prediction is not None
    assert {traffic.axes for traffic in found.collectives} == {("fsdp",)}
