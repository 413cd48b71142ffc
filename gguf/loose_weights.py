"""The numbers of the files without wiring: Gemma 3's, Qwen3.5's and the adapter's. Sizes are standard deviations."""

import numpy as np

from bpe import SPECIALS, Vocabulary, to_bytes
from container import Tensor
from random_weights import LIKE, RESERVED, SEEN, bell, encoded, generator


class Loose:
    """Gemma 3. Nothing is wired, so no digit holds much of the probability and a judge made of it refuses."""

    # llama.cpp multiplies an embedding by the root of its width, and uses it as the output as it is.
    SIZES = {"token_embd.weight": 0.125, "v.patch_embd.weight": 0.08, "v.position_embd.weight": 0.3}
    # The last norm sets how far apart the logits lie; those of queries and keys, how much a head prefers one token.
    NORMS = {"output_norm": 3.0, "attn_q_norm": 1.6, "attn_k_norm": 1.6}

    def __init__(self, seed: int):
        self._seed = seed

    def __call__(self, tensor: Tensor) -> np.ndarray:
        return encoded(self._values(tensor.name, tensor.shape), tensor.kind)

    def _values(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        if name.endswith(".bias"):
            return np.zeros(shape, np.float32)
        if len(shape) == 1:
            return np.full(shape, self.NORMS.get(name.split(".")[-2], 1.0), np.float32)
        # What the projector gets lies along its rows, unlike in all other matrices.
        inputs = shape[0] if name == "mm.input_projection.weight" else shape[-1]
        return bell(generator(self._seed, name), shape, self.SIZES.get(name, 1.0 / np.sqrt(inputs)))


class Leaning:
    """Qwen3.5 and later. Random but for one coordinate that is the same everywhere: by it digits are likely whatever is asked, yes
    less so, and no still less. So most axes are visible and get a score, and a value is a row of digits."""

    SIZES = {"token_embd.weight": 0.25, "v.patch_embd.weight": 0.04, "v.patch_embd.weight.1": 0.04, "v.position_embd.weight": 0.1}
    # Logits of a class of tokens by that coordinate, about; how much their other coordinates count.
    CLASSES = {"digit": (11.0, 2.0), "yes": (7.5, 2.0), "no": (5.0, 2.0), "other": (0.0, 1.0), "never": (-6.0, 1.0)}
    # What the layers add is small beside what comes in, or a state would forget the picture.
    ADDED = ("ssm_out", "attn_output", "ffn_down", "ffn_down_exps", "ffn_down_shexp")

    def __init__(self, seed: int, vocabulary: Vocabulary):
        self._seed = seed
        self._classes = [self._class(token) for token in vocabulary.tokens]

    def __call__(self, tensor: Tensor) -> np.ndarray:
        return encoded(self._values(tensor.name, tensor.shape), tensor.kind)

    @staticmethod
    def _class(token: str) -> str:
        if token in SPECIALS:
            return "never"
        raw = to_bytes(token)
        if raw.isdigit():
            return "digit"
        word = raw.strip().lower().decode("latin-1")
        return word if word in ("yes", "no") else "other"

    def _values(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        part = name.split(".")[-2]
        # By these two a state fades to half in a few hundred tokens.
        if name.endswith("ssm_a"):
            return np.full(shape, -0.003, np.float32)
        if part == "ssm_dt":
            return np.full(shape, 0.5, np.float32)
        if name.endswith(".bias"):
            values = np.zeros(shape, np.float32)
            if name == "mm.2.bias":
                values[0] = 0.5
            return values
        if len(shape) == 1 and part != "ffn_gate_inp_shexp":
            return np.ones(shape, np.float32)
        values = bell(generator(self._seed, name), shape, self.SIZES.get(name, 1.0 / np.sqrt(shape[-1])))
        if name == "token_embd.weight":
            values[:, 0] = 0.5
        elif name == "output.weight":
            for row, kind in enumerate(self._classes):
                lean, gain = self.CLASSES[kind]
                values[row] *= gain
                values[row, 0] = lean
        elif name.startswith("blk.") and part in self.ADDED:
            values *= 0.5
            values[..., 0, :] = 0.0
        elif name == "mm.2.weight":
            values[0] = 0.0
        return values


class Adapter:
    """The adapter of a `Wired` model. Of the reserved coordinates it moves LIKE and SEEN alone, so that answers stay
    of the right kind while digits and yes against no change."""

    SIZE = 0.35  # of what it adds to a matrix, against the matrix itself
    MOVED = {LIKE: 1.5, SEEN: 1.5}

    def __init__(self, seed: int, scale: float):
        self._seed = seed
        self._scale = scale  # alpha / rank

    def __call__(self, tensor: Tensor) -> np.ndarray:
        return encoded(self._values(tensor.name, tensor.shape), tensor.kind)

    def _values(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        rng = generator(self._seed, name)
        if name.endswith(".lora_a"):
            return bell(rng, shape, 1.0 / np.sqrt(shape[1]))
        values = bell(rng, shape, self.SIZE / (self._scale * np.sqrt(shape[1])))
        if ".attn_output." in name or ".ffn_down." in name:
            keep = {row: values[row] * factor for row, factor in self.MOVED.items()}
            values[:RESERVED] = 0.0
            for row, kept in keep.items():
                values[row] = kept
        return values
