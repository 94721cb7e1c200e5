# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""An affine map between named axes."""

import math
from typing import Literal

import jax.numpy as jnp
from flax import nnx
from jax.nn.initializers import Initializer
from jaxtyping import Array, Float

from zoo.kernels.partition import LETTERS, gather
from zoo.nn.config import TransformerConfig
from zoo.nn.init import init_kernel
from zoo.nn.product import multiply_rows

KernelOrder = Literal["inputs_first", "outputs_first"]


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
        self.num_inputs, self.outputs = len(inputs), tuple(outputs.values())
        self.order: KernelOrder = "inputs_first"
        self.letters = "".join(LETTERS.get(axis, "_") for axis in (*inputs, *outputs))
        self.dtype = jnp.dtype(dtype or config.execution.dtype)
        kernel = init_kernel(config, init, rngs.params(), tuple(inputs.values()), self.outputs)
        self.kernel = nnx.Param(kernel, axes=(*inputs, *outputs))
        zeros = jnp.zeros(self.outputs, jnp.dtype(config.execution.param_dtype))
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
        """Transposes the kernel, in place: see `zoo.nn.product`."""
        if self.order == "outputs_first":
            return
        axes = self.kernel.get_metadata()["axes"]
        order = (*range(self.num_inputs, len(axes)), *range(self.num_inputs))
        self.kernel = nnx.Param(jnp.transpose(self.kernel[...], order), axes=tuple(axes[axis] for axis in order))
        self.order, self.letters = "outputs_first", "".join(self.letters[axis] for axis in order)

    def _used(self) -> Float[Array, "..."]:
        """The kernel in the dtype of the computation, gathered where the mesh shards its width."""
        return gather(self.kernel[...].astype(self.dtype), self.letters, "W")

    def _multiply(self, x: Float[Array, "..."], kernel: Float[Array, "..."]) -> Float[Array, "..."]:
        if self.order == "inputs_first":
            return jnp.tensordot(x, kernel, axes=self.num_inputs)
        batch = x.shape[: x.ndim - self.num_inputs]
        y = multiply_rows(x.reshape(*batch, -1), kernel.reshape(math.prod(self.outputs), -1))
        return y.reshape(*batch, *self.outputs)
