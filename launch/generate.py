# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Continues prompts with a causal language model, or answers them with an encoder-decoder.

python -m launch.generate --model=DIR_OR_NAME --prompt="To be, or not" --temperature=0.8 --top_k=50
python -m launch.generate --model=DIR_OR_NAME --prompt="To be, or not" --num_beams=4 --num_return_sequences=2
"""

from absl import flags

from launch import app

_STOPPING = {"true": True, "false": False, "never": "never"}
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
_NUM_BEAMS = flags.DEFINE_integer("num_beams", None, "Texts that a beam search follows at once; 1 follows one.")
_LENGTH_PENALTY = flags.DEFINE_float(
    "length_penalty", None, "Of a beam search: the power of the length by which a log probability is divided."
)
_EARLY_STOPPING = flags.DEFINE_enum(
    "early_stopping",
    None,
    [*_STOPPING],
    "Of a beam search: whether it stops as soon as it has found enough texts.",
    case_sensitive=False,
)
_NUM_RETURN_SEQUENCES = flags.DEFINE_integer("num_return_sequences", None, "Texts to print for each prompt.")
_NO_REPEAT_NGRAM_SIZE = flags.DEFINE_integer("no_repeat_ngram_size", None, "Never so many tokens in a row twice.")
_REPETITION_PENALTY = flags.DEFINE_float(
    "repetition_penalty", None, "Factor by which the scores of tokens that came before are worse; 1 changes none."
)
_MIN_NEW_TOKENS = flags.DEFINE_integer("min_new_tokens", None, "No end token before so many others.")
_PREFIX = flags.DEFINE_bool(
    "prefix", False, "Reads the prompt in both directions, for a decoder that was trained with the objective prefix_lm."
)
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
        num_beams=_NUM_BEAMS.value,
        length_penalty=_LENGTH_PENALTY.value,
        early_stopping=None if _EARLY_STOPPING.value is None else _STOPPING[_EARLY_STOPPING.value],
        num_return_sequences=_NUM_RETURN_SEQUENCES.value,
        no_repeat_ngram_size=_NO_REPEAT_NGRAM_SIZE.value,
        repetition_penalty=_REPETITION_PENALTY.value,
        min_new_tokens=_MIN_NEW_TOKENS.value,
        prefix=_PREFIX.value,
        ignore=_IGNORE.value,
        tokenizer=zoo.tokenizer(_MODEL.value),
    )
    texts = out.texts or []
    repeats = len(texts) // len(_PROMPT.value)
    prompts = [prompt for prompt in _PROMPT.value for _ in range(repeats)]
    scores = [""] * len(texts) if out.scores is None else [f", score {score:.3f}" for score in out.scores]
    for prompt, text, finish, score in zip(prompts, texts, out.finish, scores, strict=True):
        print(f"{'' if answers else prompt}{text}\n[{finish}{score}]")


if __name__ == "__main__":
    app.run(main)
