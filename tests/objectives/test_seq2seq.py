# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Translation as an objective: its loss against PyTorch's, what the decoder reads, and what it refuses."""

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

import zoo
from tests.objectives.fakes import answer, info
from zoo.data.schema import Feature
from zoo.errors import ConfigError
from zoo.objectives import Seq2Seq

FIELDS = ("tokens", "segments", "targets", "target_segments")
SCHEMA = {name: Feature(kind="tokens") for name in FIELDS}
LOGITS = (3 * np.sin(np.arange(2 * 4 * 7) * 1.7)).reshape(2, 4, 7).astype(np.float32)
BATCH = {
    "tokens": np.array([[4, 5, 1], [6, 1, 0]], np.int32),
    "segments": np.array([[1, 1, 1], [1, 1, 0]], np.int32),
    "targets": np.array([[3, 1, 6, 2], [5, 0, 1, 1]], np.int32),
    "target_segments": np.array([[1, 1, 1, 1], [1, 1, 0, 0]], np.int32),
}


class Fixed:
    """Has these logits whatever it reads, and keeps what that was."""

    config = zoo.config("transformer-base", decoder_start_id=0)

    def __init__(self, logits):
        self.logits = jnp.asarray(logits)

    def __call__(self, tokens, *, segments, decoder_tokens, targets, loss_options, dropout_key=None):
        self.read = SimpleNamespace(tokens=tokens, segments=segments, decoder_tokens=decoder_tokens)
        return answer(self.logits, targets, loss_options)


# torch.nn.CrossEntropyLoss(label_smoothing=s)(logits, targets), the last two targets of the second row -100 (2.14.1),
# and z times the mean of torch.logsumexp(logits, -1) ** 2 where there are targets
@pytest.mark.parametrize(
    ("smoothing", "z_loss", "loss"),
    [
        (0.0, 0.0, 2.9308812618),
        (0.1, 0.0, 2.9885563850),
        (0.4, 0.0, 3.1615824699),
        (0.0, 0.01, 3.0558193434),
        (0.1, 0.01, 3.1134946308),
    ],
)
def test_the_loss_is_that_of_torch(smoothing, z_loss, loss):
    objective, model = Seq2Seq(label_smoothing=smoothing, z_loss=z_loss), Fixed(LOGITS)
    batch = {name: jnp.asarray(values) for name, values in BATCH.items()}
    found = objective.metrics(objective.loss(model, batch))
    assert found["loss"] == pytest.approx(loss, rel=1e-6)
    assert found["perplexity"] == pytest.approx(np.exp(2.9308812618), rel=1e-5)  # smoothing does not count
    right = (LOGITS.argmax(-1) == BATCH["targets"]) & (BATCH["target_segments"] > 0)
    assert found["accuracy"] == pytest.approx(right.sum() / 6)
    assert np.asarray(model.read.decoder_tokens).tolist() == [[0, 3, 1, 6], [0, 5, 0, 1]]


def test_padding_adds_nothing():
    objective = Seq2Seq()
    spoilt = LOGITS.copy()
    spoilt[1, 2:] = np.nan
    batch = {name: jnp.asarray(values) for name, values in BATCH.items()}
    for name, value in objective.loss(Fixed(spoilt), batch).items():
        assert float(value) == float(objective.loss(Fixed(LOGITS), batch)[name])


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, float("nan")])
def test_smoothing_out_of_range_is_refused(smoothing):
    with pytest.raises(ConfigError, match=r"label_smoothing must be at least 0 and below 1, such as 0\.1"):
        Seq2Seq(label_smoothing=smoothing)


def test_data_without_targets_or_an_end_token_are_refused():
    assert Seq2Seq().bind(info(schema=SCHEMA, eos_id=1)).data.seq_len == 16
    with pytest.raises(ConfigError, match=r"data\.tokenizer\.special=t5"):
        Seq2Seq().bind(info(schema=SCHEMA))
    with pytest.raises(ConfigError, match="reads 'target_segments', 'targets'"):
        Seq2Seq().bind(info(eos_id=1))
