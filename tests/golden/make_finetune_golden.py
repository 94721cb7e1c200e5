# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Writes finetune/*.npz: one AdamW step of fine-tuning by Transformers, from small random models.

Run by hand with the `parity` extra: `python tests/golden/make_finetune_golden.py`. A file holds the parameters before
and after the step, by their names on the Hub, the batch, and the config.json.
"""

import json
from pathlib import Path

import numpy as np
import torch
import transformers

FOLDER = Path(__file__).parent / "finetune"
LEARNING_RATE, WEIGHT_DECAY, EPS, CLIP = 1e-3, 0.01, 1e-6, 1.0
SIZES = dict(
    vocab_size=61, hidden_size=20, num_hidden_layers=2, num_attention_heads=5, intermediate_size=28,
    max_position_embeddings=24, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
)  # fmt: skip


def main() -> None:
    for name, num_labels in (("classification", 3), ("regression", 1)):
        torch.manual_seed(num_labels)
        config = transformers.BertConfig(**SIZES, num_labels=num_labels)
        model = transformers.BertForSequenceClassification(config).eval()
        with torch.no_grad():  # norms and biases that are not 1 and 0
            for parameter in model.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
        before = {key: value.numpy().copy() for key, value in model.state_dict().items()}
        batch = inputs(num_labels)
        step(model, batch)
        arrays = {f"before/{key}": value for key, value in before.items()}
        arrays |= {f"after/{key}": value.numpy() for key, value in model.state_dict().items()}
        arrays |= {f"batch/{key}": value.numpy() for key, value in batch.items()}
        arrays["config"] = np.array(json.dumps(config.to_dict() | {"architectures": [type(model).__name__]}))
        np.savez_compressed(FOLDER / f"{name}.npz", **arrays)


def inputs(num_labels: int) -> dict[str, torch.Tensor]:
    """Six sequences of different lengths."""
    lengths = torch.tensor([11, 3, 7, 11, 5, 9])
    mask = (torch.arange(11)[None] < lengths[:, None]).long()
    tokens = torch.randint(1, SIZES["vocab_size"], (6, 11)) * mask
    labels = torch.randn(6) if num_labels == 1 else torch.tensor([0, 2, 1, 1, 0, 2])
    types = (torch.arange(11)[None] >= 4).long() * mask
    return {"input_ids": tokens, "attention_mask": mask, "token_type_ids": types, "labels": labels}


def step(model, batch: dict[str, torch.Tensor]) -> None:
    """As the Trainer does it: biases and norms do not decay, and gradients are clipped by their global norm."""
    kept = [p for n, p in model.named_parameters() if n.endswith("bias") or "LayerNorm" in n]
    decayed = [p for p in model.parameters() if not any(p is other for other in kept)]
    groups = [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": kept, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE, eps=EPS)
    model(**batch).loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
    optimizer.step()


if __name__ == "__main__":
    main()
