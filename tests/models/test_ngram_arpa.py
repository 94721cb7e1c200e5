# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""ARPA files in and out, words of a text, and what lmplz and kenlm make of the same text."""

import gzip
import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from tests.golden.make_ngram_golden import LINES, TEXT, TINY
from tests.models.test_ngram import EOS, SMOOTHINGS, UNK, VOCAB_SIZE, contexts, corpus, fitted, flat
from zoo.errors import ConfigError, FormatError, InputError
from zoo.models.ngram import (
    ModifiedKneserNey,
    NgramModel,
    NgramVocabulary,
    StupidBackoff,
    WittenBell,
    read_arpa,
    read_corpus,
    read_lines,
    write_arpa,
)

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "ngram"

ARPA = """\\data\\
ngram 1=5
ngram 2=3
ngram 3=1

\\1-grams:
-1.0\t<unk>
-99\t<s>\t-0.3
-0.5\t</s>
-0.7\ta\t-0.2
-0.9\tb

\\2-grams:
-0.4\t<s> a\t-0.1
-0.2\ta b
-0.6\ta </s>

\\3-grams:
-0.05\t<s> a b

\\end\\
"""


def lines(seed: int = 0, documents: int = 150) -> list[str]:
    return [" ".join(f"w{token}" for token in document[:-1]) + "\n" for document in corpus(seed, documents)]


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("order", [1, 2, 4])
@pytest.mark.parametrize("suffix", ["arpa", "arpa.gz"])
def test_a_model_survives_its_arpa_file(tmp_path, order, suffix):
    model = fitted(corpus(), order, ModifiedKneserNey())
    write_arpa(model, tmp_path / f"model.{suffix}")
    read = read_arpa(tmp_path / f"model.{suffix}")
    assert read.num_ngrams == model.num_ngrams
    assert (read.vocabulary.eos_id, read.vocabulary.unk_id) == (EOS, UNK)
    for context in contexts(corpus(), order)[:200]:
        expected = model.next_log_probs(context)
        np.testing.assert_allclose(read.next_log_probs(context), expected, rtol=0, atol=1e-10)
    text = flat(corpus(4, 30))
    np.testing.assert_allclose(read.log_probs(*text), model.log_probs(*text), rtol=0, atol=1e-10)
    assert [path.name for path in tmp_path.iterdir()] == [f"model.{suffix}"]
    write_arpa(read, tmp_path / f"again.{suffix}")
    names = ("model", "again")
    first, second = (read_arpa(tmp_path / f"{name}.{suffix}").estimates[-1].log_probs for name in names)
    np.testing.assert_allclose(first, second, rtol=1e-11)


def test_the_text_of_an_arpa_file(tmp_path):
    model = NgramModel.fit_lines(["a b\n", "a\n", "\n"], order=2, smoothing=WittenBell())
    write_arpa(model, tmp_path / "model.arpa")
    found = (tmp_path / "model.arpa").read_text().split("\n")
    assert found[:6] == ["\\data\\", "ngram 1=5", "ngram 2=5", "", "\\1-grams:", f"{math.log10(3 / 36):.12g}\t<unk>\t0"]
    # `<s>` is followed by a, a and </s>: 3 times, by 2 tokens; </s>, a and b occur 3, 2 and 1 times.
    assert found[6] == f"0\t<s>\t{math.log10(2 / 5):.12g}"
    assert found[7] == f"{math.log10((3 + 3 / 4) / 9):.12g}\t</s>\t0"
    assert found[8].split("\t")[1] == "a" and found[9].split("\t")[1] == "b" and found[10] == ""
    assert sorted(line.split("\t")[1] for line in found[12:17]) == ["<s> </s>", "<s> a", "a </s>", "a b", "b </s>"]
    assert found[17:] == ["", "\\end\\", ""]


def test_backoff_by_hand(tmp_path):
    model = read_arpa(written(tmp_path / "hand.arpa", ARPA))
    assert model.vocabulary.words == ("<unk>", "</s>", "a", "b")
    tokens, ends = model.vocabulary.encode(["a b a c"])
    # <s> a, then <s> a b, then b a, which is not there and backs off through (a b) and b without weights.
    expected = [-0.4, -0.05, -0.7, -0.2 - 1.0, -0.5]
    np.testing.assert_allclose(model.log_probs(tokens, ends) / math.log(10), expected, rtol=1e-12)
    tokens, ends = model.vocabulary.encode(["a a"])
    np.testing.assert_allclose(model.log_probs(tokens, ends)[1] / math.log(10), -0.1 - 0.2 - 0.7, rtol=1e-12)


def test_what_other_programs_write_is_read(tmp_path):
    expected = read_arpa(written(tmp_path / "one.arpa", ARPA))
    other = "Made by hand\n\n" + ARPA.replace("-0.9\tb", "-0.9 b 0").replace("\n", "\r\n").replace("<unk>", "<UNK>")
    other = other.replace("ngram 2=3", "ngram 2=5").replace(
        "-0.2\ta b", "-0.1\t</s> <s>\r\n-0.1\tb <s>\t-1\r\n-0.2\ta b"
    )
    found = read_arpa(written(tmp_path / "other.arpa", other))
    for one, another in zip(expected.estimates, found.estimates, strict=True):
        for left, right in zip(one, another, strict=True):
            np.testing.assert_array_equal(left, right)
    assert found.vocabulary == expected.vocabulary


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("-0.4\t<s> a", "0.4\t<s> a", r"line 14: expected log10 of a probability, up to 0; found 0.4"),
        ("-0.7\ta", "nan\ta", r"line 10: expected a number; found 'nan'"),
        ("-0.7\ta\t-0.2", "-0.7\ta\tb", r"line 10: expected a number; found 'b'"),
        (
            "-0.2\ta b",
            "-0.2\ta b c d",
            r"line 15: expected a probability, 2 words and a backoff weight; found '-0.2\\ta b c d'",
        ),
        ("-0.2\ta b", "-0.2\ta", r"line 15: expected a probability, 2 words"),
        ("-0.2\ta b", "-0.2\ta  b", r"line 15: expected a probability, 2 words.*found '-0.2\\ta  b'"),
        ("-0.9\tb", "-0.9\t", r"line 11: expected a probability, 1 words"),
        ("-0.2\ta b", "-0.2\ta c", r"line 15: '-0.2\\ta c' has a word that is not among the 1-grams"),
        ("-0.2\ta b", "-0.2\t<s> a", r"line 15: an n-gram that is there twice"),
        ("-0.9\tb", "-0.9\ta", r"line 11: 'a' is there twice"),
        ("<s> a b", "b a b", r"line 19: the context of '-0.05\\tb a b' is not listed"),
        ("<s> a b", "<s> a b\t-0.5", r"line 19: 3-grams are the longest, without backoff; found -0.5"),
        ("ngram 2=3", "ngram 2=4", r"line 17: expected 4 2-grams; found '' after 3"),
        ("ngram 2=3", "ngram 2=2", r"line 16: expected \\3-grams:; found '-0.6\\ta </s>'"),
        (
            "ngram 2=3",
            "ngram 2=99999999999999",
            r"line 5: expected 100000000000005 n-grams; found a file that is too short",
        ),
        ("ngram 3=1", "ngram 4=1", r'line 4: expected "ngram 3=" and a number; found \'ngram 4=1\''),
        ("ngram 3=1", "ngram 3=x", r'line 4: expected "ngram 3="'),
        ("ngram 3=1\n", "", r"line 13: 2-grams are the longest, without backoff; found -0.1"),
        ("</s>", "</t>", r"expected </s> among the 1-grams; found none"),
        ("<s>", "<t>", r"expected <s> among the 1-grams; found none"),
        ("\\data\\", "data", r"expected \\data\\, with which an ARPA file begins; found none"),
        ("\\end\\", "\\the end\\", r"line 21: expected \\end\\ after 1 3-grams; found '\\\\the end\\\\'"),
        ("\\2-grams:", "\\two-grams:", r"line 13: expected \\2-grams:"),
    ],
)
def test_bad_files_are_refused(tmp_path, old, new, message):
    assert old in ARPA
    path = written(tmp_path / "bad.arpa", ARPA.replace(old, new))
    with pytest.raises(FormatError, match=message) as caught:
        read_arpa(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_file_cut_short_anywhere_is_refused(tmp_path, compressed):
    path, data = tmp_path / "cut.arpa", ARPA.encode()
    data = gzip.compress(data) if compressed else data
    for length in range(0, len(data) - (10 if compressed else 2), 3):
        path.write_bytes(data[:length])
        with pytest.raises(FormatError, match=r"cut.arpa"):
            read_arpa(path)


def test_files_that_are_no_text_are_refused(tmp_path):
    with pytest.raises(FormatError, match=r"none.arpa cannot be read"):
        read_arpa(tmp_path / "none.arpa")
    path = tmp_path / "latin.arpa"
    path.write_bytes(ARPA.replace("\tb", "\té").encode("latin-1"))
    with pytest.raises(FormatError, match=r"line 11: expected UTF-8"):
        read_arpa(path)


def test_what_the_format_cannot_hold_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot hold stupid backoff"):
        write_arpa(fitted(corpus(), 3, StupidBackoff()), tmp_path / "model.arpa")
    model = NgramModel.fit(*flat(corpus()), NgramVocabulary(VOCAB_SIZE), order=2)
    with pytest.raises(ConfigError, match="needs </s>"):
        write_arpa(model, tmp_path / "model.arpa")
    with pytest.raises(ConfigError, match="cannot be written"):
        write_arpa(fitted(corpus(), 2, WittenBell()), tmp_path / "no" / "model.arpa")
    assert not list(tmp_path.iterdir())


def test_words_are_split_as_lmplz_splits_them():
    vocabulary, tokens, ends = read_corpus(["a\tb  c\r\n", "\n", " b\u00a0c\0a"])
    assert vocabulary.words == ("<unk>", "</s>", "a", "b", "c", "b\u00a0c")
    assert tokens.tolist() == [2, 3, 4, 1, 1, 5, 2, 1] and ends.tolist() == [4, 5, 8]
    assert vocabulary.decode(tokens[:4]) == "a b c </s>"
    found = vocabulary.encode(["c d <unk>"])
    assert found[0].tolist() == [4, 0, 0, 1] and found[1].tolist() == [4]


def test_markers_in_a_text_are_an_error_or_skipped_or_a_word():
    for word in ("<s>", "</s>", "<unk>"):
        with pytest.raises(InputError, match=f"Line 2 holds the word {word}"):
            read_corpus(["a\n", f"a {word} b\n"])
    skipped = read_corpus(["a <unk> b </s> <s>", "b"], symbols="skip")
    plain = read_corpus(["a b", "b"])
    assert (
        skipped[0] == plain[0] and skipped[1].tolist() == plain[1].tolist() and skipped[2].tolist() == plain[2].tolist()
    )
    assert read_corpus(["a <unk> b"], symbols="word")[1].tolist() == [2, 0, 3, 1]
    with pytest.raises(InputError, match="Line 1 holds the word <s>"):
        read_corpus(["<s> a"], symbols="word")
    with pytest.raises(ConfigError, match="without eos_id cannot encode lines"):
        NgramVocabulary(3).encode(["1"])
    with pytest.raises(InputError, match="Line 3 holds the word </s>"):
        plain[0].encode(["a", "", "b </s>"])
    with pytest.raises(InputError, match=r"Line 1 holds the word 'c'.*no <unk>"):
        NgramVocabulary(3, eos_id=0, words=("</s>", "a", "b")).encode(["a c"])


def test_lines_of_files(tmp_path):
    (tmp_path / "a.txt").write_bytes("a é\r\nb\n\nc".encode())
    assert list(read_lines(tmp_path / "a.txt")) == ["a é\r\n", "b\n", "\n", "c"]
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"a\nb\n"))
    assert list(read_lines(tmp_path / "a.txt.gz")) == ["a\n", "b\n"]
    (tmp_path / "a.txt").write_bytes(b"a\nb\xff\n")
    with pytest.raises(FormatError, match=r"a.txt, line 2: expected UTF-8; found b'\\xff\\n'"):
        list(read_lines(tmp_path / "a.txt"))
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"a\nb\n")[:-4])
    with pytest.raises(FormatError, match=r"a.txt.gz cannot be read"):
        list(read_lines(tmp_path / "a.txt.gz"))


@pytest.mark.parametrize("name, fallback", [("shakespeare", None), ("fallback", (0.5, 1.0, 1.5))])
def test_lmplz_estimates_the_same(name, fallback):
    expected = read_arpa(GOLDEN / f"{name}.arpa.gz")
    with TEXT.open(encoding="utf-8") as file:
        text = list(itertools.islice(file, LINES)) if name == "shakespeare" else TINY.splitlines()
    model = NgramModel.fit_lines(text, order=3, smoothing=ModifiedKneserNey(discount_fallback=fallback))
    assert model.vocabulary == expected.vocabulary
    for one, other in zip(model.estimates, expected.estimates, strict=True):
        np.testing.assert_array_equal(one.keys, other.keys)
        for found, wanted in zip(one[1:], other[1:], strict=True):  # lmplz calculates in float32
            np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)


def kenlm_score(path: Path, text: list[str]) -> tuple[float, int]:
    """log10 of all lines by kenlm, and tokens."""
    kenlm = pytest.importorskip("kenlm")
    model = kenlm.Model(str(path))
    scores = [[score for score, _, _ in model.full_scores(line)] for line in text]
    return math.fsum(itertools.chain(*scores)), sum(map(len, scores))


@pytest.mark.parametrize("order", [2, 3, 5])
@pytest.mark.parametrize("kind", ["kneser_ney", "witten_bell"])
def test_kenlm_reads_our_files(tmp_path, kind, order):
    pytest.importorskip("kenlm")
    model = NgramModel.fit_lines(lines(), order=order, smoothing=SMOOTHINGS[kind])
    write_arpa(model, tmp_path / "model.arpa")
    text = [*lines(5, 60), "w1 unknown w2 w0"]
    total, tokens = kenlm_score(tmp_path / "model.arpa", text)
    score = model.score_lines(text)
    assert tokens == score.tokens
    assert score.perplexity == pytest.approx(10 ** (-total / tokens), rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("order", [2, 3, 4, 5])
def test_kenlm_agrees_on_wikitext(tmp_path, assets, order):
    pytest.importorskip("kenlm")
    folder = assets / "data" / "wikitext-2"
    model = NgramModel.fit_lines(read_lines(folder / "wiki.train.raw"), order=order)
    write_arpa(model, tmp_path / "model.arpa")
    text = list(read_lines(folder / "wiki.test.raw"))
    total, tokens = kenlm_score(tmp_path / "model.arpa", text)
    assert model.score_lines(text).perplexity == pytest.approx(10 ** (-total / tokens), rel=1e-5)
