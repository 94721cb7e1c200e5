# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""n-gram language models: interpolated modified Kneser-Ney, Witten-Bell, stupid backoff; ARPA files."""

from zoo.models.ngram.arpa import read_arpa as read_arpa
from zoo.models.ngram.arpa import write_arpa as write_arpa
from zoo.models.ngram.model import NgramModel as NgramModel
from zoo.models.ngram.model import Score as Score
from zoo.models.ngram.smoothing import SMOOTHINGS as SMOOTHINGS
from zoo.models.ngram.smoothing import ModifiedKneserNey as ModifiedKneserNey
from zoo.models.ngram.smoothing import Smoothing as Smoothing
from zoo.models.ngram.smoothing import StupidBackoff as StupidBackoff
from zoo.models.ngram.smoothing import WittenBell as WittenBell
from zoo.models.ngram.vocabulary import NgramVocabulary as NgramVocabulary
from zoo.models.ngram.vocabulary import read_corpus as read_corpus
from zoo.models.ngram.vocabulary import read_lines as read_lines
