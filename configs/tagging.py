# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning a tagger of words on your own file: names of persons and places, parts of speech.

Paper      Devlin et al. 2018, arXiv:1810.04805, section 5.3: the first word piece of each word is classified. Tjong Kim
           Sang and De Meulder 2003, arXiv:cs/0306050, has the data and the scores of CoNLL-2003.
Command    python -m launch.train --config=configs/tagging.py --config.init_from=bert-base-cased \\
             --config.data.source=train.conll --config.data.validation=dev.conll --workdir=DIR
           A .conll file has a word and its tag in each line, and blank lines between sentences. A .jsonl or .parquet
           has lists in the columns `words` and `tags`, or in others (--config.data.words=tokens
           --config.data.tags=ner_tags).
           python -m launch.predict --model=DIR/model --input=test.conll --output=tagged.conll
Hardware   One accelerator; BERT-base fits in 8 GB at 32 x 128.
Expected   CoNLL-2003 test, F1 of entities: 92.4 for BERT-base with the context of the document (table 7 of the paper).

Sentences that come with the package, from a tiny random BERT, in a minute on a CPU, to an F1 above 0.95:
           python -m launch.train --config=configs/tagging.py:tiny --workdir=DIR
"""

import ml_collections

from configs import common


def get_config(variant: str = "base") -> ml_collections.ConfigDict:
    """`base` fine-tunes a checkpoint, which `init_from` names; `tiny` starts from random weights."""
    tiny = common.choose({"base": False, "tiny": True}, variant)
    data = dict(type="tagging", source="train.conll", words="words", tags="tags", tagged_tokens="first")
    config = common.fine_tuning("token_classification", data, "token_classification", keep_best="metrics/f1")
    config.optimizer.learning_rate = 5e-5
    return (common.tiny_fine_tuning(config) if tiny else config).lock()
