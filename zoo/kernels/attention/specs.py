# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The shapes that attention is tested and timed at: one table, so that what is timed is also tested."""

import dataclasses
from typing import Literal

import jax

from zoo.kernels.names import DropoutBits

Bias = Literal["heads", "relative"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class AttentionCase:
    """One call of attention; the fields are named by the letters of the README.

    Attributes:
      K: heads of keys. segments: whether sequences hold several documents. bias: None, `heads` for an array
        [1, N, T, S], `relative` for XLNet's terms. dropout_bits: see `attention`. B: a batch that fills one
        accelerator; a smaller one gives the same results.
    """

    name: str
    B: int
    T: int
    N: int
    H: int
    K: int | None = None
    S: int | None = None
    causal: bool = False
    window: int | None = None
    segments: bool = False
    bias: Bias | None = None
    dropout: float = 0.0
    dropout_bits: DropoutBits = "portable"
    dtype: Literal["bfloat16", "float32"] = "bfloat16"

    @property
    def keys(self) -> int:
        return self.S or self.T

    @property
    def key_heads(self) -> int:
        return self.K or self.N

    @property
    def bias_shape(self) -> tuple[int, int, int, int] | None:
        return (1, self.N, self.T, self.keys) if self.bias == "heads" else None

    @property
    def relative_shapes(self) -> dict[str, jax.ShapeDtypeStruct] | None:
        """Shapes and types of the fields of `Relative`."""
        if self.bias != "relative":
            return None
        return {
            "query": jax.ShapeDtypeStruct((self.B, self.T, self.N, self.H), self.dtype),
            "distances": jax.ShapeDtypeStruct((self.T + self.keys, self.N, self.H), self.dtype),
            "kinds": jax.ShapeDtypeStruct((self.B, self.T, self.N, 2), self.dtype),
            "differs": jax.ShapeDtypeStruct((self.B, self.T, self.keys), bool),
        }

    @property
    def kind(self) -> str:
        """What a query may see and what is done to the weights, as text."""
        parts = {"causal": self.causal, "segments": self.segments, f"bias: {self.bias}": self.bias}
        found = [part for part, holds in parts.items() if holds]
        found += [f"window {self.window}"] if self.window else []
        return ", ".join(found + ([f"dropout {self.dropout}, {self.dropout_bits}"] if self.dropout else []))


CASES = (
    AttentionCase(name="bert-base-128", B=32, T=128, N=12, H=64, segments=True),
    AttentionCase(name="bert-base-384", B=16, T=384, N=12, H=64, segments=True),
    AttentionCase(name="bert-base-512", B=8, T=512, N=12, H=64, segments=True),
    AttentionCase(name="bert-large-128", B=32, T=128, N=16, H=64, segments=True),
    AttentionCase(name="bert-large-384", B=16, T=384, N=16, H=64, segments=True),
    AttentionCase(name="bert-large-512", B=8, T=512, N=16, H=64, segments=True),
    AttentionCase(name="gpt2-1024", B=8, T=1024, N=12, H=64, causal=True),
    # Four of GPT-3's sizes, one of each head width (arXiv:2005.14165, table 2.1), the layers that see all the past.
    AttentionCase(name="gpt3-125m-2048", B=4, T=2048, N=12, H=64, causal=True),
    AttentionCase(name="gpt3-2.7b-2048", B=2, T=2048, N=32, H=80, causal=True),
    AttentionCase(name="gpt3-760m-2048", B=4, T=2048, N=16, H=96, causal=True),
    AttentionCase(name="gpt3-1.3b-2048", B=4, T=2048, N=16, H=128, causal=True),
    AttentionCase(name="t5-base-512", B=8, T=512, N=12, H=64, bias="heads"),
    AttentionCase(name="xlnet-base-512", B=8, T=512, N=12, H=64, bias="relative", segments=True),
    AttentionCase(name="bert-base-512-dropout", B=8, T=512, N=12, H=64, segments=True, dropout=0.1),
    AttentionCase(
        name="bert-base-512-fast-dropout", B=8, T=512, N=12, H=64, segments=True, dropout=0.1, dropout_bits="fastest"
    ),
)


def case(name: str) -> AttentionCase:
    return next(case for case in CASES if case.name == name)
