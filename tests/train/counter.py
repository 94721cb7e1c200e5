# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""An iterator of which only the position matters."""


class Counter:
    """Stands for a run's position in the data."""

    def __init__(self, place=0):
        self.place = place

    def get_state(self):
        return {"next_index": self.place}

    def set_state(self, state):
        self.place = state["next_index"]
