# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Every family with every head computes what Transformers does, and goes back to it byte for byte."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import load_file, save_file

from tests.golden.report import record
from zoo.hub.load import load
from zoo.hub.save import save
from zoo.hub.tables import FAMILIES

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
_NOT_IN_TORCH = {"albert_sentence_order", "gpt_token_classification", "gpt_question_answering"}  # see test_load.py
_FAST_COMPILE = {"xla_backend_optimization_level": 0}
CASES = sorted(path.stem for path in GOLDEN.glob("*_*.npz"))


@pytest.fixture(scope="module", params=CASES)
def golden(request) -> dict:
    """The arrays of one file, with `weights` and `grads` by name."""
    with np.load(GOLDEN / f"{request.param}.npz", allow_pickle=False) as file:
        arrays = dict(file) | {"case": request.param}
    layout = json.loads(str(arrays["layout"]))
    ends = np.cumsum([np.prod(shape, dtype=int) for shape in layout.values()])[:-1]
    for kind in ("weights", "grads"):
        pieces = np.split(arrays[kind].astype(np.float32), ends)
        arrays[kind] = {name: piece.reshape(layout[name]) for name, piece in zip(layout, pieces, strict=True)}
    return arrays


@pytest.fixture(scope="module")
def folder(golden, tmp_path_factory) -> Path:
    return _write_folder(tmp_path_factory.mktemp("hub"), golden, "weights")


@pytest.fixture(scope="module")
def outputs(golden, folder) -> dict:
    """What our model computes, and the gradient of the golden's loss."""
    graphdef, params = nnx.split(load(folder))
    inputs = {name: jnp.asarray(ids) for name, ids in _group(golden, "inputs/").items()}
    names = _group(golden, "outputs/")

    def run(params):
        out = nnx.merge(graphdef, params)(**inputs, return_hidden_states=True)
        found = {name: getattr(out, name) for name in names}
        found = {name: jnp.stack(value) if isinstance(value, tuple) else value for name, value in found.items()}
        return _loss(found, inputs["segments"]), found

    with jax.default_matmul_precision("highest"):
        compiled = jax.jit(jax.value_and_grad(run, has_aux=True), compiler_options=_FAST_COMPILE)
        (_, found), grads = compiled(params)
    return found | {"grads": grads}


def _group(golden: dict, prefix: str) -> dict:
    return {name.removeprefix(prefix): array for name, array in golden.items() if name.startswith(prefix)}


def _write_folder(folder: Path, golden: dict, kind: str) -> Path:
    tensors = golden[kind]
    if kind == "grads":
        tensors = {name: tensor for name, tensor in tensors.items() if name not in _constants(golden)}
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(str(golden["config"]))
    return folder


def _constants(golden: dict) -> set[str]:
    """Tables that the config describes: no parameters, and not to be held in halves as goldens are."""
    table = FAMILIES[golden["case"].split("_")[0]].weights
    names = {constant.hub for constant in table.constants}
    return names | {name.removeprefix(table.prefix) for name in names}


def _is_decoded(name: str, outputs: dict) -> bool:
    """Whether it is a decoder's output, which has no padding."""
    return any("encoder_hidden_states" in other for other in outputs) and "encoder" not in name


def _loss(outputs: dict, segments: jax.Array) -> jax.Array:
    """As in make_golden.py."""
    total = jnp.float32(0)
    for name, values in outputs.items():
        values = values[-1] if name.endswith("hidden_states") else values
        rows = segments.reshape(-1, segments.shape[-1]).astype(jnp.float32)
        if name == "memory":
            continue
        if values.shape[:2] == rows.shape and not _is_decoded(name, outputs):
            values = values * rows.reshape(*rows.shape, *(1,) * (values.ndim - 2))
        total += (values * jnp.sin(jnp.arange(values.size, dtype=jnp.float32)).reshape(values.shape)).sum()
    return total


def test_there_is_a_golden_for_every_family_and_head():
    """Siblings, which are a family under another name, have one alone; GPT-3 is not in Transformers."""
    families = set(FAMILIES) - {"xlm-roberta", "camembert", "transformer", "gpt3"}
    heads = {f"{family}_{head or 'bare'}" for family in families for head in FAMILIES[family].weights.heads}
    variants = {case for case in CASES if case.split("_")[1] == "variant"}
    found, made = set(CASES) | _NOT_IN_TORCH, {case.split("_")[0] for case in variants}
    expected, with_variant = heads | variants, set(FAMILIES) - {"transformer", "gpt3"}
    fix = "run make_golden.py for them, or name here what Transformers lacks"
    assert expected == found, f"no golden: {expected - found}; no such head: {found - expected}; {fix}"
    assert made == with_variant, (
        f"no FAMILY_variant: {with_variant - made}; no such family: {made - with_variant}; {fix}"
    )


def test_outputs_equal_transformers(golden, outputs):
    real = golden["inputs/segments"].reshape(-1, 11).astype(bool)
    for name, expected in _group(golden, "outputs/").items():
        found = np.asarray(outputs[name])
        assert found.shape == expected.shape, name
        if _is_decoded(f"outputs/{name}", golden):
            pass
        elif expected.shape == real.shape:  # what stands at padding is nobody's business
            found, expected = found[real], expected[real]
        elif expected.shape[-3:-1] == real.shape:
            found, expected = found[..., real, :], expected[..., real, :]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4, err_msg=name)
        kind = "hidden layers" if name.endswith("hidden_states") else "outputs"
        record(golden["case"], kind, float(np.abs(found - expected).max()))


def test_gradients_equal_transformers(golden, outputs, tmp_path):
    # The table is linear: gradients of the Hub's tensors load as gradients of the parameters.
    expected = nnx.state(load(_write_folder(tmp_path, golden, "grads")))
    largest = max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(expected))
    for (path, found), leaf in zip(jax.tree.leaves_with_path(outputs["grads"]), jax.tree.leaves(expected), strict=True):
        scale = max(float(jnp.abs(leaf).max()), 1e-3 * largest)  # a key's bias has none but rounding
        np.testing.assert_allclose(found, leaf, rtol=0, atol=1e-3 * scale, err_msg=jax.tree_util.keystr(path))
        record(golden["case"], "gradients", float(jnp.abs(found[...] - leaf[...]).max()) / scale)


def test_import_then_export_is_byte_identical(golden, folder, tmp_path):
    save(load(folder), tmp_path)
    found = load_file(tmp_path / "model.safetensors")
    assert set(found) == set(golden["weights"])
    for name, expected in golden["weights"].items():
        if name.endswith(".bias") and f"{name.removesuffix('bias')}decoder.bias" in found:
            continue  # untied, the library saves this bias but computes with the decoder's
        if name in _constants(golden):
            np.testing.assert_allclose(found[name], expected, atol=1e-3)
            continue
        assert found[name].dtype == expected.dtype and found[name].tobytes() == expected.tobytes(), name


def test_config_survives_a_round_trip(golden, folder, tmp_path):
    model = load(folder)
    save(model, tmp_path)
    assert load(tmp_path).config == model.config
    before, after = (json.loads(text) for text in (str(golden["config"]), (tmp_path / "config.json").read_text()))
    computed = {key: value for key, value in after.items() if key in before and before[key] is not None}
    if before.get("scale_decoder_outputs") is False:
        del computed["tie_word_embeddings"]  # T5 says of untied embeddings that they are tied, and saves both
    assert computed == {key: before[key] for key in computed}
