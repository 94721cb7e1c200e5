# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning on the span of a context that answers a question (BERT, section 4.2 and, without an answer, 4.3)."""

import dataclasses
from typing import Any, ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from zoo.nn.segments import members
from zoo.objectives.head_logits import head_logits, is_example, num_places
from zoo.objectives.loss import cross_entropy, weighted_sums
from zoo.objectives.objective import Batch, Objective, Sums


@dataclasses.dataclass(frozen=True, kw_only=True)
class QuestionAnswering(Objective):
    """The mean of the cross-entropies of the first and the last token of the answer.

    The softmax is over the tokens of the example, so that its loss does not depend on how far its batch is padded, nor
    on what shares its row; Transformers has it over the padding too. A window without the answer has the span of its
    first token, [CLS].
    """

    head: ClassVar[str] = "question_answering"
    needs: ClassVar[frozenset[str]] = frozenset({"tokens", "segments", "span"})
    reads_packed: ClassVar[bool] = True

    def logits(self, module: Any, batch: Batch, *, dropout_key=None) -> Float[Array, "*B T 2"]:
        """The scores of each token as the answer's first and last, in float32; minus infinity for padding.

        Of packed rows [R, K, T, 2], with minus infinity also for the tokens of other examples.
        """
        logits, places = head_logits(module, batch, dropout_key=dropout_key), num_places(batch)
        if places is None:
            return jnp.where((batch["segments"] > 0)[:, :, None], logits, -jnp.inf)
        return jnp.where(members(batch["segments"], places)[..., None], logits[:, None], -jnp.inf)

    def loss(self, module: Any, batch: Batch, *, dropout_key=None) -> Sums:
        logits = jnp.swapaxes(self.logits(module, batch, dropout_key=dropout_key), -2, -1)
        there = is_example(batch)
        logits = jnp.where(there[..., None, None], logits, 0.0)  # no gradient of what is not, where it would be NaN
        losses = jnp.mean(cross_entropy(logits, batch["span"]), axis=-1)
        correct = jnp.all(jnp.argmax(logits, axis=-1) == batch["span"], axis=-1)
        return weighted_sums(losses, correct, there.astype(jnp.float32))
