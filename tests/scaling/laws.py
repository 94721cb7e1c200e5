# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Published laws, and sweeps whose losses follow them but for noise."""

import numpy as np

from zoo.scaling.fit import Law
from zoo.scaling.kaplan import Kaplan
from zoo.scaling.parametric import Chinchilla
from zoo.scaling.repetition import Repetition
from zoo.scaling.runs import Runs

CHINCHILLA = Chinchilla(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)  # arXiv:2203.15556, equation 10
KAPLAN = Kaplan(N_c=6.4e13, D_c=1.8e13, alpha_N=0.076, alpha_D=0.103)  # arXiv:2001.08361, table 2
C4 = Repetition(  # arXiv:2305.16264: the README of its code
    E=float(np.exp(0.6254804)),
    A=float(np.exp(6.255414)),
    B=float(np.exp(7.3049974)),
    alpha=0.3526596,
    beta=0.3526596,
    R_D=15.387756,
    R_N=5.309743,
)
LAWS = (CHINCHILLA, KAPLAN, C4)


def sweep(law: Law, noise: float = 0.0, seed: int = 0) -> Runs:
    """A sweep as each paper has it: of budgets and sizes, sizes and tokens, or sizes, unique tokens and epochs."""
    unique = None
    if isinstance(law, Chinchilla):
        flops = np.repeat(np.geomspace(6e18, 3e21, 9), 8)
        params = law.optimal(flops).params * np.tile(np.geomspace(0.15, 7, 8), 9)
        tokens = flops / 6 / params
        loss = law.loss(params, tokens)
    elif isinstance(law, Kaplan):
        params, tokens = grid(np.geomspace(1e6, 1e9, 8), np.geomspace(2e7, 2e10, 8))
        loss = law.loss(params, tokens)
    else:
        params, unique, epochs = grid(np.geomspace(7e6, 8e9, 6), [1e8, 1e9, 1e10], [1, 2, 4, 8, 16, 32, 64])
        tokens = unique * epochs
        loss = law.loss(params, tokens, unique)
    factors = np.exp(noise * np.random.default_rng(seed).normal(size=len(loss)))
    return Runs(params=params, tokens=tokens, loss=loss * factors, unique_tokens=unique)


def grid(*axes) -> list[np.ndarray]:
    """Every combination of the values of some axes, a flat array for each axis."""
    return [each.ravel() for each in np.meshgrid(*map(np.asarray, axes), indexing="ij")]
