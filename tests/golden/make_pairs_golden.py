# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Writes pairs.npz: the loss and all gradients of Transformers' BertForPreTraining and AlbertForPreTraining.

Run by hand with the `parity` extra: `python tests/golden/make_pairs_golden.py`. The models are small and random. The
file holds their parameters and gradients by their names on the Hub, and a batch of pairs.
"""

import json
from pathlib import Path

import numpy as np
import torch
import transformers

SIZES = dict(vocab_size=37, num_hidden_layers=2, hidden_size=12, num_attention_heads=4, intermediate_size=20)
SIZES |= dict(max_position_embeddings=16, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
MODELS = {
    "bert": transformers.BertForPreTraining(transformers.BertConfig(**SIZES)),
    "albert": transformers.AlbertForPreTraining(
        transformers.AlbertConfig(**SIZES, embedding_size=8, classifier_dropout_prob=0.0, bos_token_id=2)
    ),
}
LABELS = {"bert": "next_sentence_label", "albert": "sentence_order_label"}
MASK = 4


def main() -> None:
    torch.manual_seed(0)
    batch = inputs()
    arrays: dict[str, np.ndarray] = {f"batch/{name}": value.numpy() for name, value in batch.items()}
    for kind, model in MODELS.items():
        model.eval()
        with torch.no_grad():  # as if trained: no bias of 0, no norm of 1
            for parameter in model.parameters():
                parameter.copy_(torch.randn_like(parameter) * (0.5 if parameter.ndim == 1 else 0.2))
        model.tie_weights()
        out = model(
            input_ids=batch["tokens"],
            token_type_ids=batch["token_types"],
            attention_mask=batch["segments"],
            labels=labels(batch),
            **{LABELS[kind]: batch["label"]},
        )
        out.loss.backward()
        config = model.config.to_dict() | {"architectures": [type(model).__name__]}
        arrays[f"config/{kind}"] = np.array(json.dumps(config))
        arrays[f"loss/{kind}"] = out.loss.detach().numpy()
        arrays |= {f"before/{kind}/{name}": value.numpy().copy() for name, value in model.state_dict().items()}
        arrays |= {f"gradient/{kind}/{name}": value.grad.numpy() for name, value in model.named_parameters()}
    np.savez_compressed(Path(__file__).parent / "pairs.npz", **arrays)


def inputs() -> dict[str, torch.Tensor]:
    """Three pairs of different lengths, with one to three hidden tokens."""
    lengths, first = torch.tensor([14, 7, 11]), torch.tensor([6, 3, 8])
    column = torch.arange(14)[None]
    segments = (column < lengths[:, None]).long()
    tokens = torch.randint(5, SIZES["vocab_size"], (3, 14)) * segments
    positions = torch.tensor([[1, 4, 9], [3, 0, 0], [2, 7, 0]])
    weights = torch.tensor([[1.0, 1, 1], [1, 0, 0], [1, 1, 0]])
    targets = torch.gather(tokens, 1, positions) * weights.long()
    for row, place in torch.nonzero(weights).tolist():
        tokens[row, positions[row, place]] = MASK
    return {
        "tokens": tokens, "segments": segments, "token_types": (column > first[:, None]).long() * segments,
        "label": torch.tensor([1, 0, 1]), "mask_positions": positions, "mask_targets": targets, "mask_weights": weights,
    }  # fmt: skip


def labels(batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """The hidden tokens where they were, and -100, which has no loss, elsewhere."""
    found = torch.full_like(batch["tokens"], -100)
    for row, column in torch.nonzero(batch["mask_weights"]).tolist():
        found[row, batch["mask_positions"][row, column]] = batch["mask_targets"][row, column]
    return found


if __name__ == "__main__":
    main()
