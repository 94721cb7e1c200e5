# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The configuration of a Transformer: the axes on which the families differ, as one frozen dataclass.

A family is a set of values for these fields; nothing in `zoo.nn` asks for a family's name. This module does not import
JAX, so that a mistake in a config is reported before anything slow happens.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from zoo.checks import check_fields
from zoo.errors import ConfigError
from zoo.nn.execution import ExecutionConfig
from zoo.nn.field_names import CONFIG_ALIASES, suggest

NormOrder = Literal["post", "pre"]
NormKind = Literal["layer", "rms"]
Positions = Literal["learned", "sinusoidal", "buckets", "distances", "none"]
Activation = Literal["gelu", "gelu_tanh", "relu", "silu", "tanh"]
PadEmbedding = Literal["trained", "frozen"]
PadPositions = Literal["taken", "skipped"]
AttentionBias = Literal["all", "out", "none"]
MlpKind = Literal["plain", "gated"]
MlpBias = Literal["all", "none"]
EmbedScale = Literal["none", "sqrt_width"]
LogitsScale = Literal["none", "inverse_sqrt_width"]
Init = Literal["normal", "truncated_normal", "fan_in", "fan_avg"]

_MAX_TABLE = 2**26  # numbers; the table is a constant of each compiled program
_MAX_SIZE = 2**31 - 1  # XLA's 32-bit dimension limit; anything larger is a damaged config


@dataclasses.dataclass(frozen=True, kw_only=True)
class AttentionConfig:
    """Which tokens attend to which, and how.

    Attributes:
      causal: whether a token attends only to itself and to earlier tokens.
      window: the layers' windows in tokens, repeated over the depth; None attends to everything (GPT-3 has
        `(None, 256)`). A plain number or None is one window for all layers.
      scale: factor on the scores; None means `1/sqrt(H)`.
      bias: which projections have biases: `all`, only the output's (GPT-Neo), or none.
    """

    causal: bool = False
    window: tuple[int | None, ...] = (None,)
    scale: float | None = None
    bias: AttentionBias = "all"

    def __post_init__(self):
        if self.window is None or (isinstance(self.window, int) and not isinstance(self.window, bool)):
            object.__setattr__(self, "window", (self.window,))
        check_fields(self)
        if not self.window or any(w is not None and w < 1 for w in self.window):
            raise ConfigError(
                f"attention.window must be None, a window of 1 token or more, or a tuple of these; found "
                f"{self.window!r}."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """The architecture of one model, and how it runs (`execution`).

    Widths are in numbers, lengths in tokens; `zoo.nn` documents the letters.

    Attributes:
      family: key of the family in `zoo.models.registry`.
      decoder_layers: layers of the decoder of an encoder-decoder; None is a model with one stack.
      vocab_size: V. width: D. num_layers: L. num_heads: N. mlp_width: F.
      kv_width: H; None means D / N.
      max_length: the longest sequence that the positions allow.
      positions: a learned or sinusoidal table added to the tokens, or biases of the scores by distance, in buckets
        (T5), or scores of encoded distances (XLNet).
      position_buckets: R. position_span: distance in tokens from which all distances share the last bucket.
      clamp_length: the largest distance in tokens that differs from larger ones (XLNet); 0 means no limit.
      memory_length: tokens that a call keeps for the next one (XLNet); 0 keeps all.
      embed_width: E, projected to D even if it equals D (ALBERT); None means D, without a projection.
      num_token_types: number of token types (sentence A/B); 0 means that the family has none.
      embed_norm: whether the sum of embeddings is normalized. embed_scale: factor on the token embedding.
      mlp: whether the feed-forward network is plain or gated (arXiv:2002.05202).
      mlp_bias: whether the feed-forward network has biases.
      pad_embedding: `frozen` gives no gradient to the embedding of `pad_id`, the `padding_idx` semantics of BERT in
        Hugging Face Transformers.
      norm_order: `post` normalizes after each residual sum, `pre` before each sublayer and once at the end.
      pad_positions: whether padding takes a position when the model counts positions itself. Where it is `skipped`
        (RoBERTa), position 0 is row `pad_id + 1` of the position table.
      unique_layers: number of layers with parameters of their own, each run L / unique_layers times in turn; None means
        L (ALBERT: its groups).
      tie_embeddings: whether the output projection to the vocabulary is the token embedding.
      logits_scale: factor on the vectors that the output projection reads.
      mlp_dropout: rate inside the feed-forward network. output_dropout: rate after the last layer.
      classifier_dropout: rate before a classifier; None means `hidden_dropout`.
      init_std: standard deviation of random kernels and embeddings, or a factor on it where `init` depends on the fan.
      init_depth_scaled: whether residual output kernels start smaller by sqrt(2 L) (GPT-2, section 2.3).
      execution: how the model runs; `replace` takes its fields by their own names.
      decoder_start_id: the id that a decoder reads first. suppress_tokens: tokens that are never generated.
    """

    family: str
    vocab_size: int
    width: int
    num_layers: int
    num_heads: int
    mlp_width: int
    max_length: int
    embed_width: int | None = None
    kv_width: int | None = None
    decoder_layers: int | None = None
    num_token_types: int = 0
    norm_order: NormOrder = "post"
    norm: NormKind = "layer"
    norm_eps: float = 1e-12
    embed_norm: bool = False
    embed_scale: EmbedScale = "none"
    pad_embedding: PadEmbedding = "trained"
    positions: Positions = "learned"
    pad_positions: PadPositions = "taken"
    position_buckets: int = 32
    position_span: int = 128
    clamp_length: int = 0
    memory_length: int = 0
    activation: Activation = "gelu"
    mlp: MlpKind = "plain"
    mlp_bias: MlpBias = "all"
    attention: AttentionConfig = AttentionConfig()
    unique_layers: int | None = None
    tie_embeddings: bool = True
    logits_scale: LogitsScale = "none"
    embed_dropout: float = 0.0
    hidden_dropout: float = 0.0
    attention_dropout: float = 0.0
    mlp_dropout: float = 0.0
    output_dropout: float = 0.0
    classifier_dropout: float | None = None
    init: Init = "normal"
    init_std: float = 0.02
    init_depth_scaled: bool = False
    execution: ExecutionConfig = dataclasses.field(default_factory=ExecutionConfig)
    pad_id: int | None = None
    bos_id: int | None = None
    eos_id: int | None = None
    decoder_start_id: int | None = None
    suppress_tokens: tuple[int, ...] = ()
    num_labels: int = 2
    label_names: tuple[str, ...] = ()

    def __post_init__(self):
        check_fields(self)
        for name in ("vocab_size", "width", "num_layers", "num_heads", "mlp_width", "max_length", "num_labels"):
            _check_range(self, name, 1)
        for name in ("embed_width", "kv_width", "decoder_layers", "unique_layers"):
            if getattr(self, name) is not None:
                _check_range(self, name, 1)
        for name in ("num_token_types", "clamp_length", "memory_length"):
            _check_range(self, name, 0)
        _check_range(self, "position_buckets", 4)
        _check_range(self, "position_span", self.position_buckets)
        if self.kv_width is None and self.width % self.num_heads:
            raise ConfigError(f"width {self.width} is not divisible by num_heads {self.num_heads}; change one.")
        if self.execution.stack == "scan" and self.num_layers % len(self.attention.window):
            raise ConfigError(
                f"num_layers {self.num_layers} is not divisible by the {len(self.attention.window)} windows of "
                "attention.window, which a scan needs; set stack='loop'."
            )
        if self.layers_stored > self.num_layers:
            raise ConfigError(
                f"unique_layers {self.unique_layers} is more than num_layers {self.num_layers}; lower it."
            )
        if not 0.0 <= self.norm_eps < 1.0:
            raise ConfigError(f"norm_eps must be at least 0 and below 1; found {self.norm_eps!r}.")
        if self.init_std < 0.0:
            raise ConfigError(f"init_std must be at least 0; found {self.init_std!r}.")
        if self.positions == "sinusoidal" and self.max_length * self.embedding_width > _MAX_TABLE:
            raise ConfigError(
                f"max_length {self.max_length} with vectors {self.embedding_width} wide makes a table of positions of "
                f"more than {_MAX_TABLE} numbers; lower it."
            )
        if self.positions == "distances" and self.width % 2:
            raise ConfigError(f"positions='distances' needs an even width; found {self.width}.")
        if self.pad_positions == "skipped" and self.pad_id is None:
            raise ConfigError(
                "pad_positions='skipped' needs a pad_id, by which padding is recognized; set one, or "
                "pad_positions='taken'."
            )
        if self.label_names and len(self.label_names) != self.num_labels:
            raise ConfigError(f"label_names has {len(self.label_names)} names for num_labels {self.num_labels}.")
        for name in (name for name in vars(self) if name.endswith("_dropout")):
            rate = getattr(self, name)
            if rate is not None and not 0.0 <= rate < 1.0:
                raise ConfigError(f"{name} must be at least 0 and below 1; found {rate!r}.")

    @property
    def head_width(self) -> int:
        """H, the width of one attention head."""
        return self.kv_width or self.width // self.num_heads

    @property
    def embedding_width(self) -> int:
        """E, the width of the embedding tables."""
        return self.embed_width or self.width

    @property
    def residual_dtype(self) -> str:
        """Dtype of the residual stream, and of the products that end in it.

        Of pre-norm models it grows from layer to layer and leaves the range of float16, so that it is float32 there;
        Hugging Face Transformers keeps T5's `wo` in float32 for the same reason.
        """
        narrow = self.norm_order == "pre" and self.execution.dtype == "float16"
        return "float32" if narrow else self.execution.dtype

    @property
    def position_offset(self) -> int:
        """Row of the position table that position 0 uses: where padding takes none, rows up to `pad_id` are unused."""
        return self.pad_id + 1 if self.pad_positions == "skipped" and self.pad_id is not None else 0

    @property
    def layers_stored(self) -> int:
        """How many layers have parameters of their own."""
        return self.unique_layers or self.num_layers

    @property
    def decoder(self) -> "TransformerConfig":
        """The decoder's stack: the encoder's sizes, its own depth, and causal."""
        depth = self.num_layers if self.decoder_layers is None else self.decoder_layers
        return self.replace(num_layers=depth, attention=dataclasses.replace(self.attention, causal=True))

    def replace(self, **changes: Any) -> "TransformerConfig":
        """A copy with some fields changed, those of `execution` by their own names.

        Raises:
          ConfigError: an unknown name, or a value that does not fit.
        """
        for name in changes:
            if name not in _FIELDS and name not in EXECUTION_FIELDS:
                hint = suggest(name, [*_FIELDS, *EXECUTION_FIELDS], CONFIG_ALIASES)
                raise ConfigError(f"TransformerConfig has no field {name!r}; {hint}")
        attention = changes.get("attention")
        if isinstance(attention, Mapping):
            changes["attention"] = _replace_attention(self.attention, attention)
        flat = {name: changes.pop(name) for name in EXECUTION_FIELDS if name in changes}
        if flat:
            changes["execution"] = dataclasses.replace(changes.get("execution", self.execution), **flat)
        return dataclasses.replace(self, **changes)


EXECUTION_FIELDS = tuple(field.name for field in dataclasses.fields(ExecutionConfig))
_FIELDS = tuple(field.name for field in dataclasses.fields(TransformerConfig))


def _replace_attention(attention: AttentionConfig, changes: Mapping[str, Any]) -> AttentionConfig:
    known = [field.name for field in dataclasses.fields(attention)]
    for name in changes:
        if name not in known:
            hint = suggest(name, known, {"pattern": "window", "implementation": "model.attention_kernel"})
            raise ConfigError(f"AttentionConfig has no field {name!r}; {hint}")
    return dataclasses.replace(attention, **changes)


def _check_range(config, name: str, low: int) -> None:
    value = getattr(config, name)
    if not low <= value <= _MAX_SIZE:
        raise ConfigError(f"{name} must be between {low} and {_MAX_SIZE}; found {value!r}.")
