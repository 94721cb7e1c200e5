# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Continues prompts with a causal language model, or answers them with an encoder-decoder.

python -m launch.generate --model=DIR_OR_NAME --prompt="To be, or not" --temperature=0.8 --top_k=50
"""

from absl import flags

from launch import app

_MODEL = flags.DEFINE_string("model", None, "Hub folder or registry name.", required=True)
_PROMPT = flags.DEFINE_multi_string("prompt", None, "Text to continue; may be given several times.", required=True)
_MAX_NEW_TOKENS = flags.DEFINE_integer(
    "max_new_tokens", None, "Maximum number of new tokens for each prompt; 64 where the checkpoint declares none."
)
_TEMPERATURE = flags.DEFINE_float(
    "temperature",
    None,
    "Divides the logits before sampling; 0 takes the most likely token, as is usual without do_sample.",
)
_TOP_K = flags.DEFINE_integer("top_k", None, "Sample among this many of the most likely tokens.")
_TOP_P = flags.DEFINE_float("top_p", None, "Sample among the most likely tokens that hold this much probability.")
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the sampling.")
_IGNORE = flags.DEFINE_multi_string("ignore", [], "Option of generation_config.json to leave out, such as num_beams.")
_DTYPE = flags.DEFINE_enum("dtype", "float32", ["float32", "bfloat16"], "Precision of the computation.")


def main(argv: list[str]) -> None:
    del argv
    import zoo
    from zoo.generation import check_is_causal

    config = zoo.config(_MODEL.value)
    check_is_causal(config)  # before weights are read and a head is made
    answers = config.decoder_layers is not None
    head = "seq2seq_lm" if answers else "causal_lm"  # part of the checkpoint, whatever its class, where it is tied
    model = zoo.load(_MODEL.value, head=head, head_init="required", dtype=_DTYPE.value)
    out = zoo.generate(
        model,
        _PROMPT.value,
        max_new_tokens=_MAX_NEW_TOKENS.value,
        temperature=_TEMPERATURE.value,
        top_k=_TOP_K.value,
        top_p=_TOP_P.value,
        seed=_SEED.value,
        ignore=_IGNORE.value,
        tokenizer=zoo.tokenizer(_MODEL.value),
    )
    for prompt, text, finish in zip(_PROMPT.value, out.texts or (), out.finish, strict=True):
        print(f"{'' if answers else prompt}{text}\n[{finish}]")


if __name__ == "__main__":
    app.run(main)
