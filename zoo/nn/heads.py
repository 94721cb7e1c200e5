# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The heads: one small module for each way of reading the output of a stack.

Heads that read one vector of a sequence read one of each segment where a row holds several, as `Inputs.num_segments`
tells; `*B` is then `B K`, and `B` otherwise.
"""

import dataclasses
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from zoo.errors import ConfigError
from zoo.kernels.softmax_xent import softmax_xent
from zoo.nn.config import Activation, TransformerConfig
from zoo.nn.constrain import constrain
from zoo.nn.dropout import dropout
from zoo.nn.embed import Embedding
from zoo.nn.init import classifier_init
from zoo.nn.inputs import Inputs
from zoo.nn.linear import Linear
from zoo.nn.mlp import ACTIVATIONS
from zoo.nn.norm import Norm
from zoo.nn.positions import first_token
from zoo.nn.segments import first_of_each, last_of_each

LABEL_HEADS = ("sequence_classification", "token_classification")  # those of the config's number of labels
Rate = Literal["config", "none"]  # dropout by the config's `classifier_dropout`, or none


@dataclasses.dataclass(frozen=True, kw_only=True)
class Features:
    """What a head reads.

    Attributes:
      hidden: the stack's output. pooled: the first token's vector through the pooler, or None.
      token: the token embedding, for tied logits.
      inputs: the model's; its ids are the encoder's, if it has a decoder too.
    """

    hidden: Float[Array, "B T D"]
    pooled: Float[Array, "*B D"] | None
    token: Embedding
    inputs: Inputs

    @property
    def dropout_key(self) -> Array | None:
        """The key of the head's dropout."""
        return self.inputs.dropout_key

    def wanted(self) -> Float[Array, "B M D"]:
        """The hidden vectors at `logits_at`, or all of them."""
        positions = self.inputs.logits_at
        if positions is None:
            return self.hidden
        return jnp.take_along_axis(self.hidden, positions[:, :, None], axis=1, mode="fill", fill_value=jnp.nan)

    def first(self) -> Float[Array, "*B D"]:
        """The pooled vector of each sequence's first token; for heads that set `needs_pooler`."""
        if self.pooled is None:
            raise ConfigError("This head reads the pooled first token and the model has no pooler; set needs_pooler.")
        return self.pooled

    def at_last(self, pad_id: int | None) -> Float[Array, "*B D"]:
        """The hidden vector of each sequence's last non-padding token, by `segments` or, without them, by `pad_id`.

        Without either it is that of the last position.
        """
        tokens, segments = self.inputs.tokens, self.inputs.segments
        if segments is not None:
            return self.at_last_of(segments != 0)
        return self.at_last_of(jnp.ones_like(tokens, bool) if pad_id is None else tokens != pad_id)

    def at_last_of(self, chosen: Bool[Array, "B T"]) -> Float[Array, "*B D"]:
        """The hidden vector at the last chosen position of each sequence, the first position if none is."""
        segments, count = self.inputs.segments, self.inputs.num_segments
        if segments is not None and count is not None:
            return _at_each(self.hidden, last_of_each(chosen, segments, count))
        positions = jnp.arange(chosen.shape[1], dtype=jnp.int32)[None]
        last = jnp.max(jnp.where(chosen, positions, 0), axis=1)
        return jnp.take_along_axis(self.hidden, last[:, None, None], axis=1).squeeze(1)


def at_first(
    hidden: Float[Array, "B T D"], segments: Int[Array, "B T"] | None, num_segments: int | None = None
) -> Float[Array, "*B D"]:
    """The hidden vector of each row's first token that is not padding; of `num_segments`, that of each segment's."""
    if segments is None:
        return hidden[:, 0]
    if num_segments is not None:
        return _at_each(hidden, first_of_each(segments, num_segments))
    return jnp.take_along_axis(hidden, first_token(segments)[:, None, None], axis=1).squeeze(1)


def _at_each(hidden: Float[Array, "B T D"], positions: Int[Array, "B K"]) -> Float[Array, "B K D"]:
    return jnp.take_along_axis(hidden, positions[:, :, None], axis=1)


class Head(nnx.Module):
    """A module from `Features` to the fields of `zoo.nn.transformer.Output` that it fills."""

    needs_pooler: ClassVar[bool] = False

    def __init__(self, config: TransformerConfig, *, rngs: nnx.Rngs):
        raise NotImplementedError

    def __call__(self, features: Features) -> dict[str, Array]:
        raise NotImplementedError


class EncoderHead(Head):
    """A head that adds nothing: the bare encoder of a family with a decoder, as a model without one."""

    def __init__(self, config: TransformerConfig, *, rngs: nnx.Rngs):
        pass

    def __call__(self, features: Features) -> dict[str, Array]:
        return {}


class VocabularyHead(Head):
    """Vocabulary logits at the wanted positions or, given targets, only the losses, without holding all logits.

    Attributes:
      vocabulary: the output table; None is the token embedding.
    """

    vocabulary: Linear | None

    def vectors(self, features: Features) -> Float[Array, "B M E"]:
        """What the output projection reads."""
        raise NotImplementedError

    def logits_bias(self) -> Float[Array, "V"] | None:
        return None

    def __call__(self, features: Features) -> dict[str, Array]:
        x, bias = constrain(self.vectors(features), "read", "BTE"), self.logits_bias()
        inputs = features.inputs
        if inputs.targets is not None:
            table = features.token if self.vocabulary is None else self.vocabulary
            options = dataclasses.asdict(inputs.loss_options)
            found = softmax_xent(x.astype(table.dtype), table.rows(), inputs.targets, bias=bias, **options)
            return {"losses": found.loss, "predicted": found.predicted, "nll": found.nll}
        logits = features.token.attend(x) if self.vocabulary is None else self.vocabulary(x)
        logits = constrain(logits, "logits", "BTV")
        return {"logits": logits if bias is None else logits + bias.astype(logits.dtype)[None, None]}


def output_table(config: TransformerConfig, width: int, *, rngs: nnx.Rngs) -> Linear | None:
    """The output projection from `width` to the vocabulary; None if the token embedding is it."""
    if config.tie_embeddings:
        return None
    return Linear({"embed": width}, {"vocab": config.vocab_size}, config, bias=False, rngs=rngs)


class CausalLMHead(VocabularyHead):
    """A language model's head: the output projection of the hidden vectors."""

    def __init__(self, config: TransformerConfig, *, rngs: nnx.Rngs):
        self.scale = config.logits_scale
        self.vocabulary = output_table(config, config.width, rngs=rngs)

    def vectors(self, features: Features) -> Float[Array, "B M D"]:
        x = features.wanted()
        return x * (x.shape[-1] ** -0.5) if self.scale == "inverse_sqrt_width" else x


class MaskedLMHead(VocabularyHead):
    """Dense layer, activation, norm, then the output projection with a bias (BERT, section 3.1)."""

    activation: ClassVar[Activation | None] = None  # the feed-forward network's

    def __init__(self, config: TransformerConfig, *, rngs: nnx.Rngs):
        width, vocab = config.embedding_width, config.vocab_size
        self.kind = self.activation or config.activation
        self.transform = Linear({"embed": config.width}, {"features": width}, config, rngs=rngs)
        self.norm = Norm(width, config)
        self.vocabulary = output_table(config, width, rngs=rngs)
        self.bias = nnx.Param(jnp.zeros((vocab,), jnp.dtype(config.execution.param_dtype)), axes=("vocab",))

    def vectors(self, features: Features) -> Float[Array, "B M E"]:
        return self.norm(ACTIVATIONS[self.kind](self.transform(features.wanted())))

    def logits_bias(self) -> Float[Array, "V"]:
        return self.bias[...]


class GeluMaskedLMHead(MaskedLMHead):
    """A masked-LM head with a GELU, whatever activation the model has."""

    activation = "gelu"


class ReplacedTokenHead(Head):
    """A score a token, positive if it was replaced (ELECTRA, arXiv:2003.10555, section 2)."""

    def __init__(self, config: TransformerConfig, *, rngs: nnx.Rngs):
        self.activation = config.activation
        self.transform = Linear({"embed": config.width}, {"features": config.width}, config, rngs=rngs)
        self.score = Linear({"embed": config.width}, {"classes": 1}, config, rngs=rngs)

    def __call__(self, features: Features) -> dict[str, Array]:
        return {"logits": self.score(ACTIVATIONS[self.activation](self.transform(features.hidden))).squeeze(-1)}


class PairHead(Head):
    """Whether the second sentence follows the first (BERT, section 3.1, task 2); class 0 means that it does."""

    needs_pooler = True
    pooled_dropout: ClassVar[Rate] = "none"

    def __init__(self, config: TransformerConfig, *, rngs: nnx.Rngs):
        self.rate = 0.0 if self.pooled_dropout == "none" else config.classifier_dropout or 0.0
        self.pair = Linear({"embed": config.width}, {"classes": 2}, config, rngs=rngs)

    def __call__(self, features: Features) -> dict[str, Array]:
        return {"logits": self.pair(dropout(features.first(), self.rate, features.dropout_key))}


class PretrainingHead(MaskedLMHead):
    """The masked-LM head, and the layer of the pair head: both objectives at once."""

    needs_pooler = True
    pooled_dropout: ClassVar[Rate] = "none"

    def __init__(self, config: TransformerConfig, *, rngs: nnx.Rngs):
        super().__init__(config, rngs=rngs)
        self.rate = 0.0 if self.pooled_dropout == "none" else config.classifier_dropout or 0.0
        self.pair = Linear({"embed": config.width}, {"classes": 2}, config, rngs=rngs)

    def __call__(self, features: Features) -> dict[str, Array]:
        pair_logits = self.pair(dropout(features.first(), self.rate, features.dropout_key))
        return super().__call__(features) | {"pair_logits": pair_logits}


class Classifier(Head):
    """Dropout and one linear layer; the subclasses choose the vectors that it reads and the number of classes."""

    bias: ClassVar[bool] = True
    classes: ClassVar[int | None] = None  # the config's number of labels
    dropout: ClassVar[Rate] = "config"

    def __init__(self, config: TransformerConfig, *, rngs: nnx.Rngs):
        rate = config.hidden_dropout if config.classifier_dropout is None else config.classifier_dropout
        self.rate = rate if self.dropout == "config" else 0.0
        classes = {"classes": self.classes or config.num_labels}
        init = classifier_init(config)
        self.classifier = Linear({"embed": config.width}, classes, config, bias=self.bias, init=init, rngs=rngs)

    def vectors(self, features: Features) -> Float[Array, "*B D"]:
        raise NotImplementedError

    def __call__(self, features: Features) -> dict[str, Array]:
        return {"logits": self.classifier(dropout(self.vectors(features), self.rate, features.dropout_key))}


class PooledClassifier(Classifier):
    """One label a sequence, from the pooled first token."""

    needs_pooler = True

    def vectors(self, features: Features) -> Float[Array, "*B D"]:
        return features.first()


class DenseClassifier(Classifier):
    """One label a sequence, from its first token through a dense layer, with dropout before and after it."""

    activation: ClassVar[Activation] = "tanh"
    drops_input: ClassVar[bool] = True

    def __init__(self, config: TransformerConfig, *, rngs: nnx.Rngs):
        super().__init__(config, rngs=rngs)
        init = classifier_init(config)
        self.dense = Linear({"embed": config.width}, {"features": config.width}, config, init=init, rngs=rngs)

    def vectors(self, features: Features) -> Float[Array, "*B D"]:
        key = features.dropout_key if self.drops_input else None
        key = None if key is None else jax.random.fold_in(key, 1)  # the base class drops with the key itself
        return ACTIVATIONS[self.activation](self.dense(dropout(self.read(features), self.rate, key)))

    def read(self, features: Features) -> Float[Array, "*B D"]:
        return at_first(features.hidden, features.inputs.segments, features.inputs.num_segments)


class LastTokenClassifier(Classifier):
    """One label a sequence, from its last token, as causal models need; without a bias, as in the released weights."""

    bias = False

    def __init__(self, config: TransformerConfig, *, rngs: nnx.Rngs):
        super().__init__(config, rngs=rngs)
        self.pad_id = config.pad_id

    def vectors(self, features: Features) -> Float[Array, "*B D"]:
        return features.at_last(self.pad_id)


class TokenClassifier(Classifier):
    """One label a token."""

    def vectors(self, features: Features) -> Float[Array, "B T D"]:
        return features.hidden


class SpanHead(TokenClassifier):
    """Start and end logits of an answer (BERT, section 4.2)."""

    classes = 2
    dropout = "none"


class PooledChoice(PooledClassifier):
    """A score for each of the C sequences of `[B, C, T]`."""

    classes = 1


class LastTokenChoice(LastTokenClassifier):
    """A score for each of the C sequences in addition to the language model's logits (GPT, section 3.2)."""

    bias = True
    classes = 1

    def __init__(self, config: TransformerConfig, *, rngs: nnx.Rngs):
        super().__init__(config, rngs=rngs)
        self.pad_id = None  # Transformers does not look for padding here
        self.vocabulary = output_table(config, config.width, rngs=rngs)

    def __call__(self, features: Features) -> dict[str, Array]:
        x = features.wanted()
        lm_logits = features.token.attend(x) if self.vocabulary is None else self.vocabulary(x)
        return super().__call__(features) | {"lm_logits": lm_logits}
