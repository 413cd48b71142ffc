"""Shapes: of the small models that ship, and of the published sizes of Qwen3-VL and Qwen3.5 (for timings)."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class TextShape:
    """The language model. `experts` 0 means dense; with experts `feed_forward` is the width of one expert."""

    embedding: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    feed_forward: int
    vocabulary: int = 0  # padded with unused tokens up to this; 0: no padding
    experts: int = 0
    experts_used: int = 0
    tied: bool = False
    context: int = 262144
    rope_base: float = 5e6

    @property
    def architecture(self) -> str:
        return "qwen3vlmoe" if self.experts else "qwen3vl"

    @property
    def rope_sections(self) -> list[int]:
        """Time, height, width, unused: pairs of a head, in the proportion 24:20:20 of the real models."""
        pairs = self.head_dim // 2
        side = pairs * 20 // 64
        return [pairs - 2 * side, side, side, 0]


@dataclass(frozen=True)
class GemmaShape:
    """The language model of Gemma 3. Of every `pattern` layers all but the last see `window` tokens back only."""

    embedding: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    feed_forward: int
    window: int
    pattern: int
    context: int = 32768
    rope_base: float = 1e6


@dataclass(frozen=True)
class HybridShape:
    """The language model of Qwen3.5 and later: of every `interval` layers the last attends, the others keep a state of
    `inner` times `state` numbers. With experts `feed_forward` is the width of one, and of the one that all tokens share."""

    embedding: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    feed_forward: int
    rope_sections: list[int]  # as in TextShape; only these pairs of a head turn
    state: int
    value_heads: int
    groups: int
    guessing: int = 0  # layers behind the others that guess further tokens; a judge leaves them out
    interval: int = 4
    kernel: int = 4
    vocabulary: int = 0
    experts: int = 0
    experts_used: int = 0
    tied: bool = False
    context: int = 262144

    @property
    def architecture(self) -> str:
        return "qwen35moe" if self.experts else "qwen35"

    @property
    def inner(self) -> int:
        return self.state * self.value_heads

    def attends(self, layer: int) -> bool:
        return layer >= self.layers or (layer + 1) % self.interval == 0


@dataclass(frozen=True)
class VisionShape:
    """The picture encoder; its outputs are as wide as the language model's embedding."""

    width: int
    layers: int
    heads: int
    feed_forward: int
    deepstack: tuple[int, ...]
    image_size: int = 768
    patch: int = 16
    merge: int = 2

    @property
    def positions(self) -> int:
        return (self.image_size // self.patch) ** 2


TINY_TEXT = TextShape(128, 3, 4, 2, 64, 256, context=32768)
TINY_MOE = TextShape(128, 3, 4, 2, 64, 96, experts=6, experts_used=2, context=32768)
TINY_VISION = VisionShape(128, 3, 2, 256, (0, 1), image_size=256)
# One layer of three sees everything. Real ones have a window of 512 or 1024; this one is shorter than a judge's prompt.
TINY_GEMMA = GemmaShape(64, 3, 4, 2, 32, 128, window=128, pattern=2)
# 16 × 16 patches, averaged 4 × 4 into 16 tokens a picture. (Real ones: 64 × 64 into 256.)
TINY_GEMMA_VISION = VisionShape(64, 2, 2, 128, (), image_size=224, patch=14, merge=4)

# Three layers of four keep a state. The dense one carries a layer that guesses, as published files do.
TINY_HYBRID = HybridShape(64, 4, 4, 2, 32, 128, [4, 2, 2, 0], 32, 4, 2, guessing=1, context=32768)
TINY_HYBRID_MOE = HybridShape(64, 4, 4, 2, 32, 32, [4, 2, 2, 0], 32, 4, 2, experts=4, experts_used=2, context=32768)
TINY_HYBRID_VISION = VisionShape(64, 2, 2, 128, (), image_size=256)

_VISION_SMALL = VisionShape(1024, 24, 16, 4096, (5, 11, 17))
_VISION_LARGE = VisionShape(1152, 27, 16, 4304, (8, 16, 24))
_VOCABULARY = 151936
# Of Qwen3.5: a quarter of a head's 256 numbers turns.
_LARGE_VOCABULARY = 248320
_TURNING = [11, 11, 10, 0]

# "tiny" and "tiny-moe" are for trying what is meant for the others; their widths divide into blocks of 256.
# "0.6b" is not a published Qwen3-VL size: it is Qwen3-0.6B with the smaller picture encoder.
SIZES = {
    "tiny": (TextShape(256, 4, 4, 2, 64, 512, 4352), TINY_VISION),
    "tiny-moe": (TextShape(256, 4, 4, 2, 64, 256, 4352, 8, 2), TINY_VISION),
    "0.6b": (TextShape(1024, 28, 16, 8, 128, 3072, _VOCABULARY, tied=True), _VISION_SMALL),
    "2b": (TextShape(2048, 28, 16, 8, 128, 6144, _VOCABULARY, tied=True), _VISION_SMALL),
    "4b": (TextShape(2560, 36, 32, 8, 128, 9728, _VOCABULARY, tied=True), _VISION_SMALL),
    "8b": (TextShape(4096, 36, 32, 8, 128, 12288, _VOCABULARY), _VISION_LARGE),
    "32b": (TextShape(5120, 64, 64, 8, 128, 25600, _VOCABULARY), _VISION_LARGE),
    "30b-a3b": (TextShape(2048, 48, 32, 4, 128, 768, _VOCABULARY, 128, 8), _VISION_LARGE),
    "qwen3.5-0.8b": (
        HybridShape(1024, 24, 8, 2, 256, 3584, _TURNING, 128, 16, 16, vocabulary=_LARGE_VOCABULARY, tied=True),
        replace(_VISION_SMALL, deepstack=()),
    ),
    "qwen3.5-9b": (
        HybridShape(4096, 32, 16, 4, 256, 12288, _TURNING, 128, 32, 16, vocabulary=_LARGE_VOCABULARY),
        replace(_VISION_LARGE, deepstack=()),
    ),
    "qwen3.5-27b": (
        HybridShape(5120, 64, 24, 4, 256, 17408, _TURNING, 128, 48, 16, vocabulary=_LARGE_VOCABULARY),
        replace(_VISION_LARGE, deepstack=()),
    ),
    "qwen3.5-35b-a3b": (
        HybridShape(2048, 40, 16, 2, 256, 512, _TURNING, 128, 32, 16, 0, vocabulary=_LARGE_VOCABULARY, experts=256, experts_used=8),
        replace(_VISION_LARGE, deepstack=()),
    ),
}
