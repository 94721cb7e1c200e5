# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""An affine map between named axes, and the dropout that follows many of them."""

import math
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax.nn.initializers import Initializer
from jaxtyping import Array, Float

from zoo.kernels.dropout import keep
from zoo.kernels.partition import LETTERS, gather
from zoo.nn.config import TransformerConfig
from zoo.nn.init import kernel_init

KernelOrder = Literal["inputs_first", "outputs_first"]

_FEW_ROWS = 64  # up to here a CPU is faster with the weight on the left (measured for weights 768 to 3072 wide)


class Linear(nnx.Module):
    """`x @ kernel + bias`, where input and output may each span several named axes.

    `Linear({"embed": D}, {"heads": N, "kv": H}, ...)` maps `[..., D]` to `[..., N, H]` with a kernel `[D, N, H]`. The
    names are the logical axes that `zoo.sharding.rules` shards by. `dtype` is the computation's, None the config's.
    """

    def __init__(
        self,
        inputs: dict[str, int],
        outputs: dict[str, int],
        config: TransformerConfig,
        *,
        bias: bool = True,
        init: Initializer | None = None,
        dtype: str | None = None,
        rngs: nnx.Rngs,
    ):
        param_dtype = jnp.dtype(config.execution.param_dtype)
        self.num_inputs, self.outputs = len(inputs), tuple(outputs.values())
        self.order: KernelOrder = "inputs_first"
        self.letters = "".join(LETTERS.get(axis, "_") for axis in (*inputs, *outputs))
        self.dtype = jnp.dtype(dtype or config.execution.dtype)
        # Initializers see a matrix: fan-in and truncation do not depend on how an axis is split.
        matrix = (init or kernel_init(config))(
            rngs.params(), (math.prod(inputs.values()), math.prod(outputs.values())), param_dtype
        )
        shape = (*inputs.values(), *outputs.values())
        self.kernel = nnx.Param(matrix.reshape(shape), axes=(*inputs, *outputs))
        zeros = jnp.zeros(tuple(outputs.values()), param_dtype)
        axes = ("width",) if tuple(outputs) == ("embed",) else tuple(outputs)
        self.bias = nnx.Param(zeros, axes=axes) if bias else None

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        y = self._multiply(x.astype(self.dtype), self._used())
        if self.bias is None:
            return y
        bias = self.bias[...].astype(self.dtype)
        return y + bias.reshape((1,) * (y.ndim - bias.ndim) + bias.shape)

    def rows(self) -> Float[Array, "O I"]:
        """The kernel as a matrix with a row for each output, in the dtype of the computation."""
        outputs, kernel = math.prod(self.outputs), self._used()
        return kernel.reshape(-1, outputs).T if self.order == "inputs_first" else kernel.reshape(outputs, -1)

    def tune_for_cpu(self) -> None:
        """Transposes the kernel, in place: see `multiply_rows`."""
        if self.order == "outputs_first":
            return
        axes = self.kernel.get_metadata()["axes"]
        order = (*range(self.num_inputs, len(axes)), *range(self.num_inputs))
        self.kernel = nnx.Param(jnp.transpose(self.kernel[...], order), axes=tuple(axes[axis] for axis in order))
        self.order, self.letters = "outputs_first", "".join(self.letters[axis] for axis in order)

    def _used(self) -> Float[Array, "..."]:
        """The kernel in the dtype of the computation, gathered where the mesh keeps it in parts."""
        return gather(self.kernel[...].astype(self.dtype), self.letters, "W")

    def _multiply(self, x: Float[Array, "..."], kernel: Float[Array, "..."]) -> Float[Array, "..."]:
        if self.order == "inputs_first":
            return jnp.tensordot(x, kernel, axes=self.num_inputs)
        batch = x.shape[: x.ndim - self.num_inputs]
        y = multiply_rows(x.reshape(*batch, -1), kernel.reshape(math.prod(self.outputs), -1))
        return y.reshape(*batch, *self.outputs)


def multiply_rows(x: Float[Array, "*B I"], weight: Float[Array, "O I"]) -> Float[Array, "*B O"]:
    """`x @ weight.T` in the form that XLA runs fastest on a CPU.

    Few rows make `weight @ x.T`, since XLA then reads the weight in its own layout and does not pack it: twice as fast
    for 8 rows. Without the barrier it would fold the transposition and turn the product around again.
    """
    rows = x.reshape(-1, x.shape[-1])
    if rows.shape[0] > _FEW_ROWS:
        return jnp.einsum("...I,OI->...O", x, weight)
    columns = jax.lax.optimization_barrier(jnp.einsum("OI,BI->OB", weight, rows))
    return columns.T.reshape(*x.shape[:-1], -1)


def dropout(x: Float[Array, "..."], rate: float, key: Array | None) -> Float[Array, "..."]:
    """Zeroes each element with chance `rate` and scales the rest; without a key, nothing is dropped."""
    if key is None or rate == 0.0:
        return x
    return jnp.where(keep(key, x.shape, rate), x / (1.0 - rate), jnp.zeros((), x.dtype))
