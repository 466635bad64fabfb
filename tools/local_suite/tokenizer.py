"""A byte-pair tokenizer for CLIP, learnt from the captions (Sennrich et al., 2016)."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

TEXT_LENGTH = 16  # tokens, with start and end
END_OF_WORD = "</w>"
Pair = tuple[str, str]


def train_tokenizer(texts: Iterable[str]) -> CLIPTokenizer:
    """A tokenizer that knows every word of ``texts``; the same texts always give the same ids."""
    from tokenizers import pre_tokenizers
    from transformers import CLIPTokenizer

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = learn_merges(Counter(word for text in texts for word in text.lower().split()))
    tokens = [*letters, *(letter + END_OF_WORD for letter in letters), *map("".join, merges)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=TEXT_LENGTH)


def learn_merges(word_counts: Counter[str]) -> list[Pair]:
    """Pairs of symbols to join, in order, until every word is one symbol; ties go to the smaller pair."""
    words = {word: [*word[:-1], word[-1] + END_OF_WORD] for word in sorted(word_counts)}
    merges: list[Pair] = []
    while True:
        pairs: Counter[Pair] = Counter()
        for word, symbols in words.items():
            for pair in itertools.pairwise(symbols):
                pairs[pair] += word_counts[word]
        if not pairs:
            return merges
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        words = {word: join(symbols, best) for word, symbols in words.items()}


def join(symbols: list[str], pair: Pair) -> list[str]:
    """``symbols`` with every occurrence of ``pair`` made one symbol."""
    joined: list[str] = []
    for symbol in symbols:
        if joined and (joined[-1], symbol) == pair:
            joined[-1] += symbol
        else:
            joined.append(symbol)
    return joined
