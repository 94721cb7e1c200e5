# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Attention on a GPU against the float32 reference, output and every gradient; no times.

    python -m benchmarks.gpu_numerics [--case=bert-512,gpt2-1024] [--implementation=pallas_gpu]

The cases are those of `benchmarks.gpu_static`. The largest error is given as a share of the largest value, with that of
`xla` beside it. Exits with 1 if one is above 1e-2, and twice that of `xla`, if a second run gives other bits, or if no
case is taken.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags

from benchmarks.gpu_static import CASE, CASES, Case
from zoo.kernels.attention import IMPLEMENTATIONS, AttentionMask, Call

IMPLEMENTATION = flags.DEFINE_enum("implementation", "pallas_gpu", list(IMPLEMENTATIONS), "the one that is checked")
NAMES = ("out", "query", "key", "value", "bias")
LIMIT = 1e-2


def draw(case: Case) -> tuple[list[jax.Array], AttentionMask]:
    """Query, key, value, gradient of the output (and bias), and a mask of three documents with padding after them."""
    rng = np.random.default_rng(0)
    query = (case.batch, case.length, case.heads, case.width)
    key = (case.batch, case.length, case.heads // case.shared, case.width)
    arrays = [jnp.asarray(rng.standard_normal(shape), case.dtype) for shape in (query, key, key, query)]
    if case.bias:
        arrays.append(jnp.asarray(rng.standard_normal((1, case.heads, case.length, case.length)), case.bias))
    ends = np.sort(rng.integers(0, case.length + 1, (case.batch, 3)))
    segments = 1 + (np.arange(case.length)[None, :, None] >= ends[:, None]).sum(-1)
    segments = jnp.asarray(np.where(segments > 3, 0, segments), jnp.int32) if case.segments else None
    allowed = jnp.asarray(rng.random((case.batch, case.length, case.length)) < 0.5) if case.allowed else None
    mask = AttentionMask(
        causal=case.causal, window=case.window, query_segments=segments, key_segments=segments, allowed=allowed
    )
    return arrays, mask


def results(implementation: str, case: Case, arrays: list[jax.Array], mask: AttentionMask) -> list[np.ndarray]:
    """Output and gradients; the reference gets its inputs in float32."""
    attend = IMPLEMENTATIONS[implementation].attend
    if implementation == "reference":
        arrays = [x.astype(jnp.float32) for x in arrays]
    query, key, value, gradient, *bias = arrays

    @jax.jit
    def both(query, key, value, bias, gradient):
        def call(query, key, value, bias):
            key_ = jax.random.key(1) if case.rate else None
            options = dict(bias=bias, dropout_rate=case.rate, dropout_key=key_)
            return attend(Call(query, key, value, mask=mask, scale=case.width**-0.5, **options))

        out, vjp = jax.vjp(call, query, key, value, bias)
        return out, *vjp(gradient)

    with jax.default_matmul_precision("highest"):
        found = both(query, key, value, bias[0] if bias else None, gradient)
    return [np.asarray(x.astype(jnp.float32)) for x in found if x is not None]


def check(name: str) -> bool | None:
    """Prints a line for a case; whether all is well, None if the implementation does not take it."""
    case = CASES[name]
    arrays, mask = draw(case)
    bias = arrays[4] if case.bias else None
    lacks = IMPLEMENTATIONS[IMPLEMENTATION.value].lacks(
        Call(*arrays[:3], mask=mask, bias=bias, dropout_rate=case.rate, scale=1.0)
    )
    if lacks:
        print(f"{name:22} not taken: {lacks}", flush=True)
        return None
    want = results("reference", case, arrays, mask)
    got, again = (results(IMPLEMENTATION.value, case, arrays, mask) for _ in range(2))
    usual = results("xla", case, arrays, mask)
    sound, parts = True, []
    for part, x, y, z, w in zip(NAMES, got, again, usual, want, strict=False):
        error, other = (np.abs(each - w).max() / np.abs(w).max() for each in (x, z))
        same = np.array_equal(x, y)
        sound &= bool(same and (error <= LIMIT or error <= 2 * other))
        parts.append(f"{part} {error:.1e} ({other:.1e})" + ("" if same else " NOT REPEATED"))
    print(f"{name:22} {'ok   ' if sound else 'WRONG'} {', '.join(parts)}", flush=True)
    return sound


def main(_) -> None:
    device = jax.devices()[0].device_kind
    print(f"{IMPLEMENTATION.value} on {device}: largest error as a share of the largest value (that of xla)")
    found = [check(name) for name in CASE.value]
    right, taken = found.count(True), len(found) - found.count(None)
    print(f"{right} of {taken} cases are right.")
    sys.exit(0 if right == taken > 0 else 1)


if __name__ == "__main__":
    app.run(main)
