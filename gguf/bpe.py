"""A byte-level BPE vocabulary with Qwen's splitting rules, trained on a small text of our own.

Everything here is deterministic: ties between equally frequent pairs go to the pair that sorts first.
"""

import re
from collections import Counter, defaultdict

SPECIALS = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
]

# The `qwen2` pre-tokenizer, written for ASCII training text: every digit stands alone, a word takes one leading space.
PRETOKEN = re.compile(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\nA-Za-z0-9]?[A-Za-z]+|[0-9]| ?[^\sA-Za-z0-9]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

# Answers that a judge reads as one token, whatever their rank in the training text.
SINGLE_TOKENS = ["yes", "no", "Yes", "No", " yes", " no", " Yes", " No"]


def byte_symbols() -> list[str]:
    """The printable character that stands for each byte in GPT-2 style vocabularies, indexed by byte."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    symbols = {byte: chr(byte) for byte in printable}
    spare = 0x100
    for byte in range(256):
        if byte not in symbols:
            symbols[byte] = chr(spare)
            spare += 1
    return [symbols[byte] for byte in range(256)]


SYMBOLS = byte_symbols()
BYTES = {symbol: byte for byte, symbol in enumerate(SYMBOLS)}


def to_symbols(text: str) -> str:
    return "".join(SYMBOLS[byte] for byte in text.encode("utf-8"))


def to_bytes(token: str) -> bytes:
    return bytes(BYTES[symbol] for symbol in token)


def word_counts(text: str) -> Counter:
    """How often each pre-token occurs, with the bare and the spaced form of every word added once."""
    counts: Counter = Counter()
    for piece in PRETOKEN.findall(text):
        counts[piece] += 2
        word = piece.lstrip(" ")
        if word.isalpha():
            counts[" " + word.lower()] += 1
            counts[word.lower()] += 1
    for token in SINGLE_TOKENS:
        counts[token] += 10_000
    return counts


def _merge(word: tuple, pair: tuple) -> tuple:
    merged, i = [], 0
    while i < len(word):
        if i + 1 < len(word) and (word[i], word[i + 1]) == pair:
            merged.append(word[i] + word[i + 1])
            i += 2
        else:
            merged.append(word[i])
            i += 1
    return tuple(merged)


def train(text: str, merges_wanted: int) -> list[tuple[str, str]]:
    """The first `merges_wanted` merges (fewer when the text runs out of pairs)."""
    words = [(tuple(to_symbols(word)), n) for word, n in sorted(word_counts(text).items())]
    counts: Counter = Counter()
    where = defaultdict(set)
    for index, (word, n) in enumerate(words):
        for pair in zip(word, word[1:]):
            counts[pair] += n
            where[pair].add(index)
    merges = []
    while len(merges) < merges_wanted and counts:
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        if counts[best] <= 0:
            break
        merges.append(best)
        for index in sorted(where.pop(best)):
            word, n = words[index]
            for pair in zip(word, word[1:]):
                counts[pair] -= n
                if counts[pair] <= 0:
                    del counts[pair]
            word = _merge(word, best)
            for pair in zip(word, word[1:]):
                counts[pair] += n
                where[pair].add(index)
            words[index] = (word, n)
    return merges


class Vocabulary:
    """Token strings (as symbols) and merges. Ids: 256 bytes, then merges, then the special tokens."""

    def __init__(self, text: str, merges_wanted: int):
        self.merges = train(text, merges_wanted)
        pieces = (piece.strip() for piece in PRETOKEN.findall(text))
        self.words = {word for word in pieces if word.isalpha() and word.islower() and len(word) > 2}
        # Two merges can spell the same token; it gets one id.
        spelled = dict.fromkeys(SYMBOLS)
        spelled.update(dict.fromkeys(left + right for left, right in self.merges))
        self.ordinary = list(spelled)
        self.tokens = self.ordinary + SPECIALS
        self.ids = {token: index for index, token in enumerate(self.tokens)}
        self._rank = {pair: rank for rank, pair in enumerate(self.merges)}
        missing = [text for text in SINGLE_TOKENS if to_symbols(text) not in self.ids]
        if missing:
            raise ValueError(f"not single tokens: {missing}")

    def encode(self, text: str) -> list[int]:
        """Ids of ASCII `text` without special tokens."""
        ids = []
        for piece in PRETOKEN.findall(text):
            word = tuple(to_symbols(piece))
            while len(word) > 1:
                pairs = [p for p in zip(word, word[1:]) if p in self._rank]
                if not pairs:
                    break
                word = _merge(word, min(pairs, key=self._rank.__getitem__))
            ids.extend(self.ids[token] for token in word)
        return ids
