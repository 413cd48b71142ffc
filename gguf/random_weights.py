"""Where the numbers come from: fixed-seed values, drawn one tensor at a time and independent of their order.

`Plain` fills any shape quickly (for timings). `Wired` is for the small models: random too, but a few reserved
coordinates of the embedding are wired so that a judge's questions get answers of the right kind (README.md).
"""

import zlib

import numpy as np
from gguf import GGMLQuantizationType as Q
from gguf.quants import quantize

from bpe import SPECIALS, Vocabulary, to_bytes, to_symbols
from container import Tensor
from shapes import TextShape


def generator(seed: int, name: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([seed, zlib.crc32(name.encode())]))


def bell(rng: np.random.Generator, shape: tuple[int, ...], std: float) -> np.ndarray:
    """Nearly normal numbers from four uniform ones: plain arithmetic, so the same bits on every machine."""
    total = rng.random(shape)
    for _ in range(3):
        total += rng.random(shape)
    return ((total - 2.0) * (std * np.sqrt(3.0))).astype(np.float32)


def encoded(values: np.ndarray, kind: Q) -> np.ndarray:
    if kind == Q.F32:
        return np.ascontiguousarray(values, dtype=np.float32)
    if kind == Q.F16:
        return values.astype(np.float16)
    return quantize(np.ascontiguousarray(values, dtype=np.float32), kind)


class Plain:
    """Weights without structure. A block of them is drawn once and repeated: a prime number of blocks, so that
    neighbouring rows differ. Digits hold next to no probability, so a judge made of these refuses every axis."""

    POOL = 65_537

    def __init__(self, seed: int):
        self._seed = seed
        self._pools: dict[Q, np.ndarray] = {}

    def __call__(self, tensor: Tensor) -> np.ndarray:
        if tensor.kind == Q.F32:
            if tensor.name.endswith(".bias"):
                return np.zeros(tensor.shape, np.float32)
            if tensor.name.endswith("ssm_a"):
                return np.full(tensor.shape, -0.003, np.float32)  # a state has to fade
            if len(tensor.shape) == 1:
                return np.ones(tensor.shape, np.float32)
            return bell(generator(self._seed, tensor.name), tensor.shape, 0.02)
        if tensor.kind not in self._pools:
            self._pools[tensor.kind] = self._pool(tensor.kind)
        pool = self._pools[tensor.kind]
        elements = int(np.prod(tensor.shape))
        per_item = {Q.F16: 1, Q.Q8_0: 32, Q.Q4_K: 256, Q.Q6_K: 256}[tensor.kind]
        start = zlib.crc32(tensor.name.encode()) % self.POOL
        return np.resize(np.roll(pool, start, axis=0), (elements // per_item, *pool.shape[1:]))

    def _pool(self, kind: Q) -> np.ndarray:
        """Blocks in the file's own layout with weights of standard deviation about 0.02."""
        rng = generator(self._seed, kind.name)
        if kind == Q.F16:
            return bell(rng, (self.POOL,), 0.02).astype(np.float16)
        scales = rng.uniform(0.7, 1.3, self.POOL)

        def half(values: np.ndarray) -> np.ndarray:
            return values.astype("<f2").view(np.uint8).reshape(self.POOL, 2)

        if kind == Q.Q8_0:  # scale, 32 signed bytes
            weights = rng.integers(-127, 128, (self.POOL, 32)).astype(np.int8).view(np.uint8)
            return np.hstack([half(scales * 0.02 / 73.3), weights])
        weights = rng.integers(0, 256, (self.POOL, 192), dtype=np.uint8)
        if kind == Q.Q4_K:  # scale, minimum, eight 6-bit pairs of both (here all 48), 4-bit weights
            unit = scales * 0.02 / (48 * 4.61)
            pairs = np.tile(np.array([0xF0] * 8 + [0] * 4, np.uint8), (self.POOL, 1))
            return np.hstack([half(unit), half(unit * 7.5), pairs, weights[:, :128]])
        if kind == Q.Q6_K:  # 6-bit weights, sixteen signed scales (here all 64), scale
            fine = np.full((self.POOL, 16), 64, np.uint8)
            return np.hstack([weights, fine, half(scales * 0.02 / (64 * 18.5))])
        raise ValueError(f"no fast filling for {kind.name}")


# Reserved coordinates of the embedding. Nothing but what is wired below writes to them.
AFTER_NEWLINE, AFTER_DIGIT, AFTER_WORD = 0, 1, 2  # which kind of token stands here
ASKS = {"yes_no": 3, "words": 4, "digit": 5}  # this token hints at the answer that is wanted
WANT = {"yes_no": 6, "words": 7, "digit": 8}  # such a hint stands a little before this token
PICTURE = 9  # this is a piece of a picture
LIKE, SEEN = 10, 11  # how high a digit, how much yes; in an embedding: the share of this word in either
LOOKS = slice(12, 28)  # what a piece of a picture looks like; after the first layer, the mean of all pieces
RESERVED = 28
N_LOOKS = LOOKS.stop - LOOKS.start

HINTS = {
    # Not "visible": values that say "not visible" stand right before the digit that is wanted.
    "yes_no": ["yes", "no"],
    "words": ["words", "few", "describe", "name"],
    "digit": ["digit", "score", "similar"],
}
# How strongly a hint counts. The one for words stands furthest from the end of its question.
HINT_GAIN = {"yes_no": 3.0, "words": 10.0, "digit": 5.0}

# What all questions of a kind share; only tokens beyond these (the axis, the values) move LIKE and SEEN.
FRAME = """Image 1: Image 2: Image 3:
Is the axis named next visible in Image 1? Answer yes or no.
What does Image 1 show of the axis named next? A few words.
Image 2 is the reference. How alike is Image 1 on the axis named next? One digit.
Image 1 is the reference. How does Image 2 differ from it on the axis named next? A few words.
Is Image 2 or Image 3 closer to Image 1 on the axes named next? Answer 2 or 3.
Could anyone in Image 1 be under 18? Answer yes or no.
. Reference: . Other: . Difference: not visible, user assistant
"""
TOPIC = 0.3
TOPIC_GAIN = {LIKE: 2.0, SEEN: 4.0}

# LOOKS: size in the projector, share of the mean that is passed on, what it adds to SEEN and, squared, to LIKE.
LOOK, LOOK_GAIN, LOOK_SEEN, LOOK_LIKE = 0.02, 0.3, 0.06, 0.03
# Logits of digits 9 and 0 (plus and minus) and of yes and no, for a LIKE and a SEEN of 1.
DIGIT_SLOPE, YES_SLOPE = 1.5, 0.8
# Taken off and put on, so that a digit is neither always 9 nor an axis always hidden.
DIGIT_OFFSET, YES_OFFSET = 8.5, 1.1

# Added to the logits of a class of tokens: after a newline, a digit, a word, and where an answer is wanted.
#             newline digit  word   yes_no words digit
BIASES = {
    "digit": (6.9, -6.0, -9.0, -6.0, -9.0, 3.0),
    "yes_no": (4.2, -4.0, -4.0, 5.5, -4.0, -2.0),
    "first word": (0.0, -6.0, -6.0, 0.0, 3.0, 0.0),
    "next word": (-6.0, 0.0, 0.0, 0.0, 3.0, 0.0),
    "end": (-4.0, 9.0, 8.6, 5.0, -1.0, 0.0),
    "other": (-6.0, -6.0, -6.0, -3.0, -3.0, -3.0),
    "never": (-14.0, -14.0, -14.0, 0.0, 0.0, 0.0),
}
# How large those coordinates typically are after the last norm.
TYPICAL = (2.6, 2.6, 2.6, 3.0, 3.0, 3.0)


# Never an answer: alone or after "no" they name nudity, and the adults-only guard would refuse an innocent picture.
UNSAID = {"undressed", "without", "clothes", "clothing", "underwear"}


def token_class(token: str, words: set[str]) -> str:
    """What an answer made of this token would be: a key of BIASES. `words` is what counts as a whole word."""
    if token == "<|im_end|>":
        return "end"
    if token in SPECIALS:
        return "never"
    raw = to_bytes(token)
    if raw.isdigit():
        return "digit"
    if raw.lower() in (b"yes", b"no"):
        return "yes_no"
    if not raw.isascii() or not raw.decode("ascii").isprintable():
        return "never"
    text = raw.decode("ascii")
    if text.strip().lower() in UNSAID:
        return "never"
    if text.removeprefix(" ") not in words:
        return "other"
    return "next word" if text.startswith(" ") else "first word"


class Wired:
    """The small models. Sizes below are standard deviations unless they say otherwise."""

    def __init__(self, seed: int, text: TextShape, vocabulary: Vocabulary):
        self._seed = seed
        self._text = text
        self._vocabulary = vocabulary
        self._classes = [token_class(token, vocabulary.words) for token in vocabulary.tokens]

    def __call__(self, tensor: Tensor) -> np.ndarray:
        return encoded(self._values(tensor), tensor.kind)

    def _values(self, tensor: Tensor) -> np.ndarray:
        name, shape = tensor.name, tensor.shape
        if name == "token_embd.weight":
            return self._embeddings(shape)
        if name == "output.weight":
            return self._outputs(shape)
        if "norm" in name or ".ln" in name or "post_ln" in name:
            values = np.zeros(shape, np.float32) if name.endswith(".bias") else np.ones(shape, np.float32)
            return values * (1.2 if name.endswith(("attn_q_norm.weight", "attn_k_norm.weight")) else 1.0)
        if name.endswith(".bias"):
            values = np.zeros(shape, np.float32)
            if name == "mm.2.bias":
                values[PICTURE] = 0.5
            return values
        values = self._random(name, shape, self._size(name, shape))
        part = name.split(".")[-2]
        if part in ("attn_q", "attn_k", "attn_v"):
            self._wire_attention(part, name.startswith("blk.0."), values)
        elif part in ("attn_output", "ffn_down"):
            values[:RESERVED] = 0.0
            if name.startswith("blk.0.attn_output"):
                self._wire_first_output(values)
        elif part == "ffn_down_exps":
            values[:, :RESERVED] = 0.0
        elif part == "fc2" or name == "mm.2.weight":
            values[:RESERVED] = 0.0
            if name == "mm.2.weight":
                looks = self._random("looks", (N_LOOKS, shape[1]), LOOK)
                # What comes in is positive on the whole: without its mean a row says more of the picture.
                values[LOOKS] = looks - looks.mean(axis=1, keepdims=True)
        if name.startswith("blk.0.ffn_"):
            self._wire_squares(part.removesuffix("_exps"), values)
        return values

    def _random(self, name: str, shape: tuple[int, ...], std: float) -> np.ndarray:
        return bell(generator(self._seed, name), shape, std)

    @staticmethod
    def _size(name: str, shape: tuple[int, ...]) -> float:
        unit = 1.0 / np.sqrt(shape[-1])  # keeps the size of what comes in
        if name.startswith("v.patch_embd"):
            return 0.04
        if name == "v.position_embd.weight":
            return 0.3
        if name == "mm.2.weight":
            return 0.010
        if name.endswith("fc2.weight"):
            return 0.006
        part = name.split(".")[-2]
        return {"attn_output": 0.022, "ffn_down": 0.012, "ffn_down_exps": 0.024, "ffn_gate_inp": 0.20}.get(part, unit)

    def _embeddings(self, shape: tuple[int, ...]) -> np.ndarray:
        values = self._random("token_embd.weight", shape, 0.046)
        values[:, :RESERVED] = 0.0
        topics = self._random("topics", (shape[0], 2), TOPIC)
        topics[sorted(set(self._vocabulary.encode(FRAME)))] = 0.0
        for row, token in enumerate(self._vocabulary.tokens):
            raw = b"" if token in SPECIALS else to_bytes(token)
            newline = raw != b"" and raw.strip(b"\r\n") == b""
            kind = AFTER_NEWLINE if newline else AFTER_DIGIT if raw.isdigit() else AFTER_WORD
            values[row, kind] = 1.0
            word = raw.removeprefix(b" ").lower()
            if word.isalpha():
                values[row, [LIKE, SEEN]] = topics[row]
        for answer, words in HINTS.items():
            for word in words:
                for form in (word, " " + word, word.capitalize(), " " + word.capitalize()):
                    row = self._vocabulary.ids.get(to_symbols(form))
                    if row is not None:
                        values[row, ASKS[answer]] = 1.0
        return values

    def _outputs(self, shape: tuple[int, ...]) -> np.ndarray:
        values = self._random("output.weight", shape, 0.11)
        values[:, :RESERVED] = 0.0
        columns = [AFTER_NEWLINE, AFTER_DIGIT, AFTER_WORD, *WANT.values()]
        for row, kind in enumerate(self._classes):
            values[row] *= {"digit": 1.5, "yes_no": 1.2, "end": 0.5}.get(kind, 1.0)
            values[row, columns] = np.array(BIASES[kind]) / np.array(TYPICAL)
            if kind == "digit":
                step = (int(self._vocabulary.tokens[row]) - 4.5) / 4.5
                values[row, LIKE] = step * 1.5 * DIGIT_SLOPE
                values[row, AFTER_NEWLINE] -= step * DIGIT_OFFSET / TYPICAL[0]
            elif kind == "yes_no":
                sign = 1.0 if to_bytes(self._vocabulary.tokens[row]).lower() == b"yes" else -1.0
                values[row, SEEN] = sign * 1.2 * YES_SLOPE
                values[row, WANT["yes_no"]] += sign * YES_OFFSET / TYPICAL[3]
        return values

    def _wire_first_output(self, values: np.ndarray) -> None:
        """Passes on what the first layer's heads gathered: hints and topics from the text, looks from the pictures."""
        for source, (answer, want) in enumerate(WANT.items()):
            values[want, source] = HINT_GAIN[answer]
        for source, (target, gain) in enumerate(TOPIC_GAIN.items(), len(WANT)):
            values[target, source] = gain
        pictures = slice(values.shape[1] // 2, values.shape[1] // 2 + N_LOOKS)
        values[LOOKS, pictures] = np.eye(N_LOOKS) * LOOK_GAIN
        values[SEEN, pictures] = self._random("looks seen", (N_LOOKS,), LOOK_SEEN)

    @staticmethod
    def _wire_squares(part: str, values: np.ndarray) -> None:
        """LIKE gets the sum of the squared LOOKS: silu(x) * x + silu(-x) * -x is x * x.

        The mean of two pictures is shorter than either unless they look the same, so an identical pair gets a higher
        digit than most others. That is arithmetic on random features, not sight.
        """
        units = 2 * N_LOOKS
        if part in ("ffn_gate", "ffn_up"):
            values[..., :units, :] = 0.0
            values[..., :units:2, LOOKS] = np.eye(N_LOOKS)
            values[..., 1:units:2, LOOKS] = -np.eye(N_LOOKS)
        elif part == "ffn_down":
            values[..., :units] = 0.0
            values[..., LIKE, :units] = LOOK_LIKE

    def _wire_attention(self, part: str, first_layer: bool, values: np.ndarray) -> None:
        """Heads of the first half look at the text just before, those of the second half at the pictures."""
        head = self._text.head_dim
        half = values.shape[0] // 2
        values[:, : RESERVED if part == "attn_v" else 0] = 0.0
        if part == "attn_v":
            if first_layer:
                for target, source in enumerate([*ASKS.values(), LIKE, SEEN]):
                    values[target] = 0.0
                    values[target, source] = 1.0
                values[half : half + N_LOOKS] = 0.0
                values[half : half + N_LOOKS, LOOKS] = np.eye(N_LOOKS)
            return
        for start in range(0, values.shape[0], head):
            if start < half:
                # Pairs of a head that turn once in some 100 to 600 tokens: near tokens agree, far ones do not.
                values[start + 6 : start + 10, : AFTER_WORD + 1] = 1.5
            else:
                # The slowest pairs: they hardly turn at all, wherever the picture stands.
                column, size = (AFTER_NEWLINE, 0.35) if part == "attn_q" else (PICTURE, 0.8)
                values[start + 24 : start + 32, column] = size
