# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Shared by the config files."""

from typing import Any

import ml_collections

# The tokenizer that is learned where a run starts from no model.
_LEARNED = dict(kind="wordpiece", vocab_size=8192, lower_case=True, path="")


def choose(variants: dict[str, Any], variant: str) -> Any:
    """The entry of `variant`, the part after the colon in `--config=configs/NAME.py:VARIANT`."""
    if variant not in variants:
        raise ValueError(f"no variant is called {variant!r}; the variants of this config are {', '.join(variants)}.")
    return variants[variant]


def model(name: str, *, dropout: float | None = None, dtype: str = "bfloat16", **changes: Any) -> dict[str, Any]:
    """A registry model with one dropout rate throughout; None leaves the published rates."""
    rates = ("embed_dropout", "hidden_dropout", "attention_dropout")
    return {"name": name, "dtype": dtype, **({} if dropout is None else dict.fromkeys(rates, dropout)), **changes}


def text(source: str, tokenizer: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A dataset of plain text that is packed into sequences of one length."""
    return {"type": "text", "source": source, "text_field": "text", "tokenizer": tokenizer, **changes}


def sentence_pairs(source: str, tokenizer: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The same text as pairs with a label; the values that BERT and ALBERT share."""
    rules = dict(type="sentence_pairs", sentences="punctuation", short_fraction=0.1, one_sentence="random", packing=0)
    return text(source, tokenizer, **rules, **changes)


def adamw(learning_rate: float, **changes: Any) -> dict[str, Any]:
    """AdamW with the values that most papers share; its weight decay and clipping are the defaults (0.01 and 1)."""
    common = dict(type="adamw", b1=0.9, b2=0.999, eps=1e-8, schedule="linear", end_fraction=0.0)
    return {"learning_rate": learning_rate, "warmup_steps": 0, "warmup_fraction": 0.0, **common, **changes}


def experiment(**fields: Any) -> ml_collections.ConfigDict:
    """An experiment: what is given, over defaults for all that concerns neither the paper nor the result."""
    config = ml_collections.ConfigDict(
        dict(
            seed=0,
            init_from="",
            evals={"validation": {"type": "loss"}},
            keep_best="",
            grad_accum_steps=1,
            log_every=100,
            eval_every=1000,
            checkpoint_every=1000,
            keep_checkpoints=2,
            max_skipped=20,
            mesh="data:-1",
            rules="dp",
            xla_options="",
        )
    )
    for name, value in fields.items():
        config[name] = value
    return config


def fine_tuning(objective: str, data: dict[str, Any], metrics: str, **fields: Any) -> ml_collections.ConfigDict:
    """A checkpoint, which `init_from` names, trained on labelled rows as BERT was (arXiv:1810.04805, appendix A.3).

    Args:
      metrics: the type of the evaluator that joins the loss; "" for none.
    """
    rows = dict(validation="", validation_fraction=0.1, seq_len=128, packing=0, bucket_batches=0, tokenizer=_LEARNED)
    data = {**rows, **data}
    evals = {"validation": {"type": "loss"}} | ({"metrics": {"type": metrics}} if metrics else {})
    recipe = dict(batch_size=32, num_epochs=3.0, num_steps=0, eval_every=0, checkpoint_every=0, log_every=20)
    optimizer = adamw(2e-5, warmup_fraction=0.1, eps=1e-6)
    given = dict(objective={"type": objective}, model=model("", dtype="float32"), data=data, optimizer=optimizer)
    return experiment(**{**given, "evals": evals, **recipe, **fields})


def tiny_fine_tuning(config: ml_collections.ConfigDict, **fields: Any) -> ml_collections.ConfigDict:
    """The same on rows that come with the package, from a tiny random BERT, in a minute on a CPU."""
    config.model = model("bert-tiny", dropout=0.0, dtype="float32", stack="loop")
    config.data.update({"source": "embedded", "seq_len": 32, **fields})
    config.data.tokenizer.vocab_size = 512
    config.optimizer.update(learning_rate=2e-3, warmup_steps=20, warmup_fraction=0.0)
    config.update(num_steps=100, num_epochs=0.0, eval_every=50, checkpoint_every=50, log_every=10)
    return config


def on_cpu(config: ml_collections.ConfigDict, **fields: Any) -> ml_collections.ConfigDict:
    """The same experiment for a few minutes on 2 CPU cores, on the text that comes with the package.

    A loop over layers trains faster than a scan there.
    """
    config.model.update(dtype="float32", stack="loop")
    config.data.update(source="embedded", document="paragraph", validation_fraction=0.05, seq_len=128)
    config.data.tokenizer.update(vocab_size=2048, path="")
    config.update(dict(grad_accum_steps=1, log_every=10, checkpoint_every=200) | fields)
    return config
