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


MODELS = {
    "classification": (transformers.BertForSequenceClassification, 3),
    "regression": (transformers.BertForSequenceClassification, 1),
    "tagging": (transformers.BertForTokenClassification, 4),
    "spans": (transformers.BertForQuestionAnswering, 2),
    "choices": (transformers.BertForMultipleChoice, 2),
}


def main() -> None:
    for name, (kind, num_labels) in MODELS.items():
        torch.manual_seed(num_labels)
        config = transformers.BertConfig(**SIZES, num_labels=num_labels)
        model = kind(config).eval()
        with torch.no_grad():  # norms and biases that are not 1 and 0
            for parameter in model.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
        before = {key: value.numpy().copy() for key, value in model.state_dict().items()}
        batch = inputs(name)
        step(model, batch)
        arrays = {f"before/{key}": value for key, value in before.items()}
        arrays |= {f"after/{key}": value.numpy() for key, value in model.state_dict().items()}
        arrays |= {f"batch/{key}": value.numpy() for key, value in batch.items()}
        arrays["config"] = np.array(json.dumps(config.to_dict() | {"architectures": [type(model).__name__]}))
        np.savez_compressed(FOLDER / f"{name}.npz", **arrays)


def inputs(name: str) -> dict[str, torch.Tensor]:
    """Six sequences of different lengths; of spans all are full: Transformers' softmax is over the padding too."""
    lengths = torch.tensor([11, 3, 7, 11, 5, 9])
    if name == "spans":
        lengths = torch.full((6,), 11)
    mask = (torch.arange(11)[None] < lengths[:, None]).long()
    tokens = torch.randint(1, SIZES["vocab_size"], (6, 11)) * mask
    types = (torch.arange(11)[None] >= 4).long() * mask
    batch = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": types}
    if name == "choices":
        return {key: value.reshape(2, 3, 11) for key, value in batch.items()} | {"labels": torch.tensor([2, 0])}
    if name == "spans":
        starts = torch.randint(0, 6, (6,))
        return batch | {"start_positions": starts, "end_positions": starts + torch.randint(0, 5, (6,))}
    if name == "tagging":
        tags = torch.randint(0, 4, (6, 11))
        return batch | {"labels": torch.where((mask > 0) & (torch.rand(6, 11) < 0.7), tags, torch.tensor(-100))}
    return batch | {"labels": torch.randn(6) if name == "regression" else torch.tensor([0, 2, 1, 1, 0, 2])}


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
