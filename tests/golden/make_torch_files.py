# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Makes `tests/golden/torch/*.bin`: the same few tensors as every kind of file that torch.save writes.

    pip install torch
    python tests/golden/make_torch_files.py

Made with torch 2.13.0. `expected.npz` holds the tensors themselves.
"""

import collections
from pathlib import Path

import numpy as np
import torch

FOLDER = Path(__file__).parent / "torch"


def tensors() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    base = torch.randn(7, 5)
    return {
        "plain": base,
        "transposed": base.T,  # three views of one storage
        "slice": base[2:5, 1:4],
        "half": torch.randn(3, 2).half(),
        "bfloat": torch.randn(2, 3).bfloat16(),
        "double": torch.randn(4).double(),
        "places": torch.arange(6).reshape(1, 6),
        "mask": torch.tensor([True, False]),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
        "parameter": torch.nn.Parameter(torch.randn(2, 2)),
    }


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    found = tensors()
    ordered = collections.OrderedDict(found)
    ordered._metadata = {"": {"version": 1}}  # as a module's state_dict has
    torch.save(found, FOLDER / "zip.bin")
    torch.save(ordered, FOLDER / "zip_ordered.bin")
    torch.save(ordered, FOLDER / "zip_protocol4.bin", pickle_protocol=4)
    torch.save(ordered, FOLDER / "legacy.bin", _use_new_zipfile_serialization=False)
    torch.save({"state_dict": found, "epoch": 3}, FOLDER / "training_state.bin")
    np.savez(FOLDER / "expected.npz", **{name: tensor.detach().float().numpy() for name, tensor in found.items()})


if __name__ == "__main__":
    main()
