"""A byte-pair tokenizer for CLIP, learnt from the captions (Sennrich et al., 2016).

The trainer of the tokenizers library gives other ids in every process; here the same texts always give the same ids.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

TEXT_LENGTH = 24  # tokens, with start and end
MERGES = 3500
MIN_COUNT = 2
END_OF_WORD = "</w>"
Pair = tuple[str, str]


def train_tokenizer(texts: Iterable[str], merges: int = MERGES) -> CLIPTokenizer:
    """A tokenizer for texts like ``texts``; whatever is not in them is spelt out in bytes."""
    from tokenizers import pre_tokenizers
    from transformers import CLIPTokenizer

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    learnt = learn_merges(count_words(sorted(set(texts))), merges)
    tokens = [*letters, *(letter + END_OF_WORD for letter in letters), *map("".join, learnt)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: index for index, token in enumerate(dict.fromkeys(tokens))}
    return CLIPTokenizer(vocab=vocabulary, merges=learnt, model_max_length=TEXT_LENGTH)


def count_words(texts: Iterable[str]) -> Counter[str]:
    """The words of ``texts`` as CLIP's tokenizer splits them, in its letters for bytes."""
    from tokenizers import pre_tokenizers
    from transformers import CLIPTokenizer

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate([*letters, *(letter + END_OF_WORD for letter in letters)])}
    plain = CLIPTokenizer(vocab={**vocabulary, "<|startoftext|>": 512, "<|endoftext|>": 513}, merges=[])
    split = plain.backend_tokenizer
    words: Counter[str] = Counter()
    for text in texts:
        normal = split.normalizer.normalize_str(text)
        words.update(word for word, _ in split.pre_tokenizer.pre_tokenize_str(normal))
    return words


def learn_merges(word_counts: Counter[str], limit: int) -> list[Pair]:
    """Up to ``limit`` pairs of symbols to join, the most frequent first; ties go to the smaller pair."""
    words = [[*word[:-1], word[-1] + END_OF_WORD] for word in sorted(word_counts)]
    counts = [word_counts[word] for word in sorted(word_counts)]
    totals: Counter[Pair] = Counter()
    places: defaultdict[Pair, dict[int, None]] = defaultdict(dict)  # words that hold a pair, or once did
    for index, symbols in enumerate(words):
        for pair in itertools.pairwise(symbols):
            totals[pair] += counts[index]
            places[pair][index] = None
    queue = [(-total, pair) for pair, total in totals.items()]
    heapq.heapify(queue)
    merges: list[Pair] = []
    while queue and len(merges) < limit:
        total, best = heapq.heappop(queue)
        if -total != totals[best]:
            continue  # an older count of a pair that is queued again
        if -total < MIN_COUNT:
            break
        merges.append(best)
        changed: dict[Pair, None] = {}
        for index in places.pop(best):
            before, words[index] = words[index], join(words[index], best)
            for pair in itertools.pairwise(before):
                totals[pair] -= counts[index]
                changed[pair] = None
            for pair in itertools.pairwise(words[index]):
                totals[pair] += counts[index]
                places[pair][index] = None
                changed[pair] = None
        for pair in changed:
            if totals[pair] > 0:
                heapq.heappush(queue, (-totals[pair], pair))
    return merges


def join(symbols: list[str], pair: Pair) -> list[str]:
    """``symbols`` with every occurrence of ``pair`` made one symbol."""
    joined: list[str] = []
    for symbol in symbols:
        if joined and (joined[-1], symbol) == pair:
            joined[-1] += symbol
        else:
            joined.append(symbol)
    return joined
