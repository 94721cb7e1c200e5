# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Text from a language model: one prefill, then one compiled loop over a cache of keys and values.

`generation` is the public call, `settings` what it may be told, `prompts` its ids as arrays, `prefill` the model's two
steps, `constraints` the tokens that may not come, `sample` and `beam` the two loops.
"""

from zoo.generation.generation import Generation, generate
from zoo.generation.prefill import Prefilled, advance, prefill
from zoo.generation.settings import check_is_causal

__all__ = ["Generation", "Prefilled", "advance", "check_is_causal", "generate", "prefill"]
