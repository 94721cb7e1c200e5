# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A run with packing has the losses of the run without, and reports the tokens of its rows."""

import importlib
import json

import numpy as np
import pytest

from zoo.train.config import RunConfig
from zoo.train.loop import train

SMALL = dict(width=16, num_layers=1, num_heads=4, mlp_width=32)


def run(workdir, **changes):
    """The lines of metrics and the tokens of the steps of a short run of `configs/finetune.py:tiny`."""
    config = importlib.import_module("configs.finetune").get_config("tiny").unlock()
    config.model.update(SMALL)
    config.data.tokenizer.vocab_size = 300
    config.optimizer.warmup_steps = 2
    config.update(num_steps=4, eval_every=4, checkpoint_every=4, log_every=1, keep_best="")
    config.data.packing = changes.pop("packing")
    config.update(changes)
    train(RunConfig.from_dict(config), workdir)
    metrics, timing = (
        [json.loads(line) for line in (workdir / name).read_text().splitlines()]
        for name in ("metrics.jsonl", "timing.jsonl")
    )
    return metrics, [round(row["tokens_per_second"] * row["seconds"]) for row in timing]


@pytest.fixture(scope="module")
def padded(tmp_path_factory):
    return run(tmp_path_factory.mktemp("runs") / "padded", packing=0)


@pytest.mark.parametrize("changes", [dict(), dict(grad_accum_steps=2)])
def test_losses_are_those_of_the_padded_run(padded, tmp_path, changes):
    (expected, padded_tokens), (found, tokens) = padded, run(tmp_path / "packed", packing=4, **changes)
    assert [(row["split"], row["step"]) for row in expected] == [(row["split"], row["step"]) for row in found]
    for one, other in zip(found, expected, strict=True):
        for name in one.keys() & {"loss", "accuracy", "grad_norm"}:
            np.testing.assert_allclose(one[name], other[name], rtol=1e-5, atol=1e-6, err_msg=str(one))
    assert all(count % 32 == 0 for count in tokens) and max(tokens) < 0.7 * min(padded_tokens)
