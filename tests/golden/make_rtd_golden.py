# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Writes rtd.npz: the loss and all gradients of replaced-token detection by Transformers' two ELECTRAs, wired together.

Run by hand with the `parity` extra: `python tests/golden/make_rtd_golden.py`. The models are small, random and share
their embeddings, as the authors' code does. The file holds their parameters and gradients by their names on the Hub,
the batch, and the ids that take the place of the hidden ones, which the test has to use instead of samples of its own.
"""

import json
from pathlib import Path

import numpy as np
import torch
import transformers

SIZES = dict(
    vocab_size=61, embedding_size=16, num_hidden_layers=2, max_position_embeddings=24, hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
)  # fmt: skip
MAIN = transformers.ElectraConfig(**SIZES, hidden_size=24, num_attention_heads=4, intermediate_size=40)
GENERATOR = transformers.ElectraConfig(**SIZES, hidden_size=12, num_attention_heads=2, intermediate_size=20)
SHARED = ("word_embeddings", "position_embeddings", "token_type_embeddings", "LayerNorm")
MASK, WEIGHT = 4, 50.0


def main() -> None:
    torch.manual_seed(0)
    discriminator = transformers.ElectraForPreTraining(MAIN).eval()
    generator = transformers.ElectraForMaskedLM(GENERATOR).eval()
    for model in (discriminator, generator):
        with torch.no_grad():  # norms and biases that are not 1 and 0
            for parameter in model.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
    for name in SHARED:
        setattr(generator.electra.embeddings, name, getattr(discriminator.electra.embeddings, name))
    generator.tie_weights()
    models = {"main": discriminator, "generator": generator}
    before = {
        f"before/{kind}/{name}": value.numpy().copy()
        for kind, model in models.items()
        for name, value in model.state_dict().items()
    }
    batch = inputs()
    losses = loss(discriminator, generator, batch)
    losses["loss"].backward()
    gradients = {
        f"gradient/{kind}/{name}": value.grad.numpy()
        for kind, model in models.items()
        for name, value in model.named_parameters()
    }
    configs = {
        f"config/{kind}": np.array(json.dumps(model.config.to_dict() | {"architectures": [type(model).__name__]}))
        for kind, model in models.items()
    }
    arrays = {f"batch/{name}": value.numpy() for name, value in batch.items()}
    arrays |= {f"result/{name}": value.detach().numpy() for name, value in losses.items()}
    np.savez_compressed(Path(__file__).parent / "rtd.npz", **before, **gradients, **configs, **arrays)


def inputs() -> dict[str, torch.Tensor]:
    """Four sequences of different lengths, with one to three hidden tokens each."""
    lengths = torch.tensor([13, 6, 9, 13])
    mask = (torch.arange(13)[None] < lengths[:, None]).long()
    original = torch.randint(5, SIZES["vocab_size"], (4, 13)) * mask
    positions = torch.tensor([[1, 4, 9], [3, 0, 0], [2, 7, 0], [0, 6, 12]])
    weights = torch.tensor([[1.0, 1, 1], [1, 0, 0], [1, 1, 0], [1, 1, 1]])
    targets = torch.gather(original, 1, positions) * weights.long()
    masked = original.clone()
    samples = torch.randint(5, SIZES["vocab_size"], (4, 3))
    samples[0, 1], samples[3, 2] = targets[0, 1], targets[3, 2]  # the original by chance
    for row, column in torch.nonzero(weights).tolist():
        if (row + column) % 4:  # some stay as they are
            masked[row, positions[row, column]] = MASK
    return {
        "tokens": masked, "original": original, "segments": mask, "mask_positions": positions,
        "mask_targets": targets, "mask_weights": weights, "samples": samples,
    }  # fmt: skip


def loss(discriminator, generator, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The authors' loss: the mean over the hidden tokens, and 50 times the mean over all that are not padding."""
    there = batch["segments"].bool()
    labels = torch.full_like(batch["tokens"], -100)
    filled = batch["original"].clone()
    for row, column in torch.nonzero(batch["mask_weights"]).tolist():
        place = batch["mask_positions"][row, column]
        labels[row, place] = batch["original"][row, place]
        filled[row, place] = batch["samples"][row, column]
    first = generator(batch["tokens"], attention_mask=batch["segments"], labels=labels).loss
    replaced = (filled != batch["original"]).float()
    scores = discriminator(filled, attention_mask=batch["segments"]).logits
    second = torch.nn.functional.binary_cross_entropy_with_logits(scores[there], replaced[there])
    right = ((scores[there] > 0) == replaced[there].bool()).float().mean()
    return {"loss": first + WEIGHT * second, "generator_loss": first, "main_loss": second, "accuracy": right}


if __name__ == "__main__":
    main()
