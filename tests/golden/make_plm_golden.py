# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Writes plm.npz: loss, memory and all gradients of permutation language modelling by Transformers' XLNet.

Run by hand with the `parity` extra: `python tests/golden/make_plm_golden.py`. The model is small and random. The file
holds its parameters and gradients by their names on the Hub, without and with memory, and the batch: what Transformers
is given is made from it as in the authors' code (`_local_perm`), one row after another.
"""

import json
from pathlib import Path

import numpy as np
import torch
import transformers

LENGTH, REUSE, MEMORY, PREDICTIONS = 16, 8, 6, 5
SEP, CLS = 4, 3
CONFIG = dict(
    vocab_size=41, d_model=8, n_layer=2, n_head=2, d_inner=12, dropout=0.0, pad_token_id=5, bos_token_id=1,
    eos_token_id=2,
)  # fmt: skip


def main() -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    model = transformers.XLNetLMHeadModel(transformers.XLNetConfig(**CONFIG)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    arrays = {f"before/{name}": value.numpy().copy() for name, value in model.state_dict().items()}
    arrays["config"] = np.array(json.dumps(model.config.to_dict() | {"architectures": [type(model).__name__]}))
    rows = [row(rng, predictions) for predictions in (5, 3)]
    batch = {name: np.stack([one[name] for one in rows]) for name in rows[0]}
    arrays |= {f"batch/{name}": batch[name] for name in batch if name not in ("perm_mask", "target_mapping")}
    memory = rng.standard_normal((len(rows), CONFIG["n_layer"], MEMORY, CONFIG["d_model"])).astype(np.float32)
    arrays["batch/memory"] = memory
    model.transformer.mem_len, model.transformer.reuse_len = MEMORY, REUSE
    for name, given in (("plain", None), ("memory", memory)):
        model.zero_grad()
        out = run(model, batch, given)
        out.loss.backward()
        arrays[f"{name}/loss"] = out.loss.detach().numpy()
        arrays[f"{name}/memory"] = np.stack([layer.numpy().swapaxes(0, 1) for layer in out.mems], axis=1)
        arrays |= {f"{name}/gradient/{key}": value.grad.numpy().copy() for key, value in model.named_parameters()}
    np.savez_compressed(Path(__file__).parent / "plm.npz", **arrays)


def run(model, batch: dict[str, np.ndarray], memory: np.ndarray | None):
    """The model's output; `memory` is [B, L, S, D]."""
    given = {name: torch.from_numpy(batch[name]) for name in ("perm_mask", "target_mapping")}
    labels = np.where(batch["target_weights"] > 0, batch["targets"], -100)
    return model(
        torch.from_numpy(batch["tokens"]).long(),
        token_type_ids=torch.from_numpy(batch["token_types"]).long(),
        mems=None if memory is None else [torch.from_numpy(layer) for layer in memory.transpose(1, 2, 0, 3)],
        labels=torch.from_numpy(labels).long(),
        use_mems=True,
        **given,
    )


def row(rng: np.random.Generator, predictions: int) -> dict[str, np.ndarray]:
    """One sequence of two documents, a separator and a classifying token, of which some tokens are predicted."""
    tokens = rng.integers(9, CONFIG["vocab_size"], LENGTH)
    tokens[-2:] = SEP, CLS
    types = np.where(np.arange(LENGTH) < rng.integers(5, 12), 0, 1)
    types[-1] = 2
    targets = np.sort(rng.choice(LENGTH - 2, predictions, replace=False))
    is_target, functional = np.isin(np.arange(LENGTH), targets), np.isin(tokens, (SEP, CLS))
    order, mask = np.zeros(LENGTH, np.int32), np.zeros((LENGTH, LENGTH), np.float32)
    mask[:REUSE, REUSE:] = 1
    for start in (0, REUSE):
        part = slice(start, start + REUSE)
        index = rng.permutation(REUSE)
        hidden = is_target[part] | functional[part]
        reversed_index = np.where(hidden, index, -1)
        own = np.where(is_target[part], reversed_index, reversed_index + 1)
        mask[part, part] = (own[:, None] <= reversed_index[None, :]) & hidden[None, :]
        order[part] = (start + 1 if start else 0) + np.where(hidden, 1 + index, 0)
    missing = PREDICTIONS - predictions
    return {
        "tokens": tokens.astype(np.int32),
        "token_types": types.astype(np.int32),
        "order": order,
        "target_positions": np.pad(targets, (0, missing), constant_values=LENGTH).astype(np.int32),
        "targets": np.pad(tokens[targets], (0, missing)).astype(np.int32),
        "target_weights": np.pad(np.ones(predictions, np.float32), (0, missing)),
        "perm_mask": mask,
        "target_mapping": np.pad(np.eye(LENGTH, dtype=np.float32)[targets], ((0, missing), (0, 0))),
    }


if __name__ == "__main__":
    main()
