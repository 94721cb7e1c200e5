# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""How many examples each step reads: always as many, or more by stages (GPT-3, arXiv:2005.14165, appendix B)."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class BatchSizes:
    """The examples of each step, counted from 0; a function of the step alone, as is the order of the data.

    Attributes:
      full: of a step after the warm-up. stages: of the warm-up and what follows it: the first step has one part in
        `stages` of the full size, and each stage one part more. steps: of one stage.
    """

    full: int
    stages: int = 1
    steps: int = 0

    def at(self, step: int) -> int:
        """The examples of a step."""
        return self.full // self.stages * (self._stage(step) + 1)

    def before(self, step: int) -> int:
        """The examples of all steps before it."""
        stage = self._stage(step)
        earlier = self.steps * stage * (stage + 1) // 2  # in parts
        return self.full // self.stages * (earlier + (step - stage * self.steps) * (stage + 1))

    def _stage(self, step: int) -> int:
        return min(step // self.steps, self.stages - 1) if self.steps else self.stages - 1
