# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Generation against Transformers: the same tokens for 200 prompts with every option, and the same scores."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import zoo

GOLDEN = Path(__file__).parents[1] / "golden"
FAMILIES = ("gpt2", "t5", "marian")


@pytest.fixture(scope="module", params=FAMILIES)
def golden(request, tmp_path_factory):
    """The arrays of one file and its model."""
    with np.load(GOLDEN / "generation" / f"{request.param}.npz", allow_pickle=False) as file:
        arrays = dict(file)
    layout = json.loads(str(arrays["layout"]))
    ends = np.cumsum([np.prod(shape, dtype=int) for shape in layout.values()])[:-1]
    pieces = np.split(arrays["weights"].astype(np.float32), ends)
    tensors = {name: piece.reshape(shape) for (name, shape), piece in zip(layout.items(), pieces, strict=True)}
    folder = tmp_path_factory.mktemp(request.param)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(str(arrays["config"]))
    model = zoo.load(folder, head="causal_lm" if request.param == "gpt2" else "seq2seq_lm")
    model.generation_config = None  # Marian's config.json forces an end; a setting says so where it should
    return arrays | {"model": model, "options": json.loads(str(arrays["options"]))}


FAST = ("beams", "greedy", "early", "never", "all", "forced")
SLOW = ("several_ends", "short", "single")


@pytest.mark.parametrize("setting", [*FAST, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_tokens_and_scores_are_those_of_transformers(golden, setting, tmp_path):
    """All prompts in one call, so that prompts of any length share a batch, where Transformers had them by length."""
    tokens, model, options = golden[f"tokens/{setting}"], golden["model"], dict(golden["options"][setting])
    (tmp_path / "generation_config.json").write_text(json.dumps(options))  # options may be declared
    model.generation_config = zoo.hub.generation_config.read(tmp_path)
    prompts = [row[row >= 0].tolist() for row in golden["prompts"].astype(int)]
    out = zoo.generate(model, prompts, max_new_tokens=tokens.shape[-1])
    expected = [row[row >= 0].tolist() for row in tokens.reshape(-1, tokens.shape[-1]).astype(int)]
    wrong = [index for index, row in enumerate(out.tokens) if row != expected[index]]
    assert not wrong, f"{len(wrong)} of {len(expected)}: {[(out.tokens[i], expected[i]) for i in wrong[:5]]}"
    assert out.finish == ["eos" if row[-1] in options["eos_token_id"] else "length" for row in expected]
    if options.get("num_beams", 1) > 1:
        np.testing.assert_allclose(out.scores, golden[f"scores/{setting}"].ravel(), rtol=2e-5, atol=2e-5)
    else:
        assert out.scores is None
