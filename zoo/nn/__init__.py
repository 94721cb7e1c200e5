# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The shared Transformer: layers and blocks that every family is made of, and that depend on no family.

One alphabet for dimensions, here and in every signature: `B` batch, `T` query/target length, `S` key/source length,
`D` model width, `E` embedding width, `N` heads, `H` head width, `F` feed-forward width, `V` vocabulary, `L` layers,
`C` classes, `M` masked positions.
"""
