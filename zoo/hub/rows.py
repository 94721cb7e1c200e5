# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Rows that the tables of several families share: one parameter module of ours, as torch stores it."""

from zoo.hub.table import Row


def linear(hub: str, ours: str) -> tuple[Row, Row]:
    """torch stores a kernel as [out, in]."""
    return Row(f"{hub}.weight", f"{ours}.kernel", "O I -> I O"), Row(f"{hub}.bias", f"{ours}.bias")


def conv1d(hub: str, ours: str) -> tuple[Row, Row]:
    """The GPTs' `Conv1D` stores a kernel as ours is, [in, out]."""
    return Row(f"{hub}.weight", f"{ours}.kernel"), Row(f"{hub}.bias", f"{ours}.bias")


def norm(hub: str, ours: str) -> tuple[Row, Row]:
    return Row(f"{hub}.weight", f"{ours}.scale"), Row(f"{hub}.bias", f"{ours}.bias")


def to_heads(hub: str, ours: str) -> tuple[Row, Row]:
    """A linear layer whose output is split over heads."""
    return Row(f"{hub}.weight", f"{ours}.kernel", "NH D -> D N H"), Row(f"{hub}.bias", f"{ours}.bias", "NH -> N H")


def from_heads(hub: str, ours: str) -> tuple[Row, Row]:
    """A linear layer whose input is the heads' outputs."""
    return Row(f"{hub}.weight", f"{ours}.kernel", "D NH -> N H D"), Row(f"{hub}.bias", f"{ours}.bias")
