"""The numbers of the files that are random all through: Gemma 3's and the adapter's. Sizes are standard deviations."""

import numpy as np

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
