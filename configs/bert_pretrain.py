# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""BERT pretraining on English Wikipedia, with or without next sentences, or on Shakespeare in a few minutes.

Paper      Devlin et al. 2018, arXiv 1810.04805, section 3.1 and appendix A.2: 256 sequences a step, a million steps,
           Adam of 1e-4 with decay 0.01, 10,000 steps of warm-up and a linear decay, dropout 0.1; 80/10/10 on 15 % of
           the tokens.
           Without next sentences, the default, it is the paper's own ablation (table 5: MNLI 83.9 instead of 84.4);
           with them, :base,nsp, a sequence is a pair of texts, half of them random, a tenth of the documents shorter.
           Differs: masks and pairs are new at every epoch; sequences of 128 tokens throughout, where the paper ends
           with a tenth of the steps at 512 (--config.data.seq_len=512); Wikipedia without the BooksCorpus, which is no
           longer distributed, and its sentences by a rule for punctuation (zoo/data/sentences.py).
Command    python -m launch.prepare --config=configs/bert_pretrain.py --data_dir=DATA
           python -m launch.train --config=configs/bert_pretrain.py --data_dir=DATA --workdir=DIR
           Other sizes: configs/bert_pretrain.py:mini, :small, :medium, :large. With whole words masked, as the
           whole-word checkpoints of the authors: :large,whole_word,nsp. With ten fixed sets of masks and pairs, as in
           their code: --config.objective.duplicates=10.
Hardware   The paper: 4 days on 16 TPU chips for base, on 64 for large (appendix A.2).
Expected   Held-out masked-LM perplexity 3.99 for base (table 6, 12 layers of 768), on the paper's text. Not yet
           run with this code.

The same experiment on a CPU, with the text that comes with the package:
           python -m launch.train --config=configs/bert_pretrain.py:tiny --workdir=DIR
"""

import ml_collections

from configs import common

SIZES = {
    "base": "bert-base-uncased",
    "large": "bert-large-uncased",
    "medium": "bert-medium",
    "small": "bert-small",
    "mini": "bert-mini",
    "tiny": "bert-tiny",
}


def get_config(variant: str = "base") -> ml_collections.ConfigDict:
    """`SIZE`, and `,whole_word` or `,nsp` behind it; the size `tiny` also shrinks the data and the run, for a CPU."""
    size, *options = variant.split(",")
    chosen = [common.choose({"whole_word": "whole_word", "nsp": "nsp"}, option) for option in options]
    whole_word, pairs = "whole_word" in chosen, "nsp" in chosen
    text = common.sentence_pairs if pairs else common.text
    config = common.experiment(
        objective=dict(type="mlm_nsp" if pairs else "mlm", mask_rate=0.15, **(dict(unit="word") if whole_word else {})),
        model=common.model(common.choose(SIZES, size), dropout=0.1),
        data=text(
            "tfds:wikipedia/20230601.en",
            dict(kind="wordpiece", vocab_size=30522, lower_case=True, path="bert-base-uncased"),
            document="paragraph",
            validation_fraction=0.001,
            seq_len=128,
            word_starts=whole_word,
            **(dict(pairs="next") if pairs else dict(segments="documents")),
        ),
        batch_size=256,
        num_steps=1_000_000,
        optimizer=common.adamw(1e-4, warmup_steps=10_000, eps=1e-6),
        eval_every=10_000,
        checkpoint_every=10_000,
    )
    if size == "tiny":
        common.on_cpu(config, batch_size=32, num_steps=1000, eval_every=200)
        config.model.update(embed_dropout=0.0, hidden_dropout=0.0, attention_dropout=0.0)  # slow on a CPU
        if pairs:
            config.data.sentences = "line"  # of verse; many a speech is one sentence
        config.optimizer.update(learning_rate=2e-3, warmup_steps=100)
    return config.lock()
