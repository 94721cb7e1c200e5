# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Makes marian_tokenizer/: a small Marian tokenizer, and what Transformers' class does with it. Run by hand;
needs `transformers` and `sentencepiece`. The text is Tiny Shakespeare; target texts have marks over their vowels.

python tests/golden/make_marian_tokenizer.py ASSETS/data/tinyshakespeare/input.txt
"""

import collections
import itertools
import json
import random
import sys
import tempfile
import unicodedata
from pathlib import Path

import sentencepiece
from make_tokenizer_golden import TEXTS
from sentencepiece.sentencepiece_model_pb2 import ModelProto
from transformers import MarianTokenizer

FOLDER = Path(__file__).with_name("marian_tokenizer")
LANGUAGES = [">>fra<<", ">>deu<<"]
MARKED = str.maketrans("aeiou", "äëïöü")
OWN = [
    "To be, or not to be: that is the question.",
    "Tö bë, ör nöt tö bë: thät ïs thë qüëstïön.",
    ">>fra<< To be",
    ">>fra<<To be",
    ">>fra<<",
    ">>deu<<>>fra<< thee",
    "to >>fra<< thee",
    " >>fra<< thee",
    ">>xyz<< thee",
    ">>fra thee",
    ">><<thee",
    ">>two\nwords<<thee",
    "thee</s>>>fra<<thou",
    "thee </s> thou<unk><pad>x",
    "ü",
    "üü",
    "ü ö",
    "ü犬",
    "狐犬 狐",
    "ﬁnd ﬂﬁ\u0301",
    "\uff1c/s\uff1e \uff1cunk\uff1e",  # special tokens once normalized
    "a</s",
    "<s>",
    "\ufdd0\uffff",
    "\U0001f98a" * 3,
    "a" + "\u0301" * 40,
    "e\u0301\u0323\u0301o",
    "q\u0307\u0323 \u1112\u1161\u11ab",
    "the\u00ad\u200b\ufeffre",
]


def train(folder: Path, texts: list[str], **options) -> bytes:
    (folder / "text").write_text("\n".join(texts), encoding="utf-8")
    prefix = folder / "model"
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "text"), model_prefix=str(prefix), num_threads=1, minloglevel=2, **options
    )
    model = ModelProto.FromString(prefix.with_suffix(".model").read_bytes())
    # Temporary paths, which would differ each time.
    model.trainer_spec.ClearField("input")
    model.trainer_spec.ClearField("model_prefix")
    model.normalizer_spec.ClearField("normalization_rule_tsv")
    return model.SerializeToString()


def rules(text: str) -> str:
    """SentencePiece's usual rules, as far as the text needs them: NFKC, spaces alike, no control characters."""
    pairs = map("".join, itertools.pairwise(text))
    composed = {pair: unicodedata.normalize("NFKC", pair) for pair in pairs}
    changes = {pair: target for pair, target in composed.items() if len(target) == 1} | {c: _plain(c) for c in text}
    lines = [
        f"{_codes(source)}\t{_codes(target)}\n" for source, target in changes.items() if source not in (target, "\0")
    ]
    return "".join(sorted(lines))


def _plain(char: str) -> str:
    if char.isspace():
        return " "
    return "" if unicodedata.category(char) in ("Cc", "Cf") else unicodedata.normalize("NFKC", char)


def _codes(chars: str) -> str:
    return " ".join(f"{ord(char):X}" for char in chars)


def make_files(lines: list[str]) -> None:
    """The source splits by a unigram model and normalizes, the target by BPE and does not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "rules").write_text(rules("".join([*TEXTS, *OWN])), encoding="utf-8")
        source = train(folder, lines, vocab_size=160, model_type="unigram", normalization_rule_tsv=folder / "rules")
        marked = [line.translate(MARKED) for line in lines]
        target = train(folder, marked, vocab_size=140, model_type="bpe", normalization_rule_name="identity")
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "source.spm").write_bytes(source)
    (FOLDER / "target.spm").write_bytes(target)
    # Marian takes the pieces that it met in its training: what is rare is not there.
    sides = {"source": lines, "target": marked}
    seen = collections.Counter()
    for side, texts in sides.items():
        model = sentencepiece.SentencePieceProcessor(model_file=str(FOLDER / f"{side}.spm"))
        seen.update(piece for text in texts for piece in model.encode(text, out_type=str))
    pieces = [piece for piece, count in seen.most_common() if count > 40]
    tokens = ["</s>", "<unk>", *pieces, *LANGUAGES, "<pad>"]
    vocab = {token: index for index, token in enumerate(tokens)}
    write("vocab.json", vocab)
    write("tokenizer_config.json", {"source_lang": "en", "target_lang": "mul"})
    write("config.json", {"model_type": "marian", "vocab_size": len(vocab)})


def write(name: str, value) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=None if name == "golden.json" else 1)
    (FOLDER / name).write_text(text + "\n", encoding="utf-8")


def golden() -> dict:
    tokenizer = MarianTokenizer.from_pretrained(FOLDER)
    texts, draw = [*TEXTS, *OWN], random.Random(0)
    drawn = [[draw.randrange(tokenizer.vocab_size) for _ in range(12)] for _ in range(20)]
    special = tokenizer.all_special_ids
    rows = [*drawn, *([draw.choice([*special, row[0], row[1]]) for _ in range(8)] for row in drawn)]
    return {
        "texts": texts,
        "source": [tokenizer(text)["input_ids"] for text in texts],
        "target": [tokenizer(text_target=text)["input_ids"] for text in texts],
        "pair": tokenizer("thee", "thou")["input_ids"],
        "cut": tokenizer(texts[0], truncation=True, max_length=9)["input_ids"],
        "rows": rows,
        "kept": [tokenizer.decode(row) for row in rows],
        "skipped": [tokenizer.decode(row, skip_special_tokens=True) for row in rows],
    }


if __name__ == "__main__":
    corpus = Path(sys.argv[1]).read_text(encoding="utf-8").split("\n")
    make_files([line for line in corpus if line.strip()][:6000])
    write("golden.json", golden())
    print(f"wrote {FOLDER}")
