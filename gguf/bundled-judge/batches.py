"""Turns the arrays of a frame into tensors of few different shapes, so that a compiled forward can be reused.

The sizes that vary (system turn, pictures, positions with a loss) are padded to the largest seen so far.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from config import PICTURE_TOKENS

if TYPE_CHECKING:
    from frames import Frame

ROUND = {"system": 32, "pictures": 8, "picked": 16}


@dataclass(frozen=True)
class Words:
    """The language side of a batch: B samples of L tokens after a system turn of S, M positions with a loss each."""

    system: torch.Tensor  # [S]
    source: torch.Tensor  # [B, L] rows of the embedding table with the pictures' tokens appended
    slot: torch.Tensor  # [B, L] 0, or 1 + index of the picture token
    mask: torch.Tensor  # [B, 1, L, L] additive
    system_mask: torch.Tensor  # [1, 1, 1, S] additive
    positions: torch.Tensor  # [3, B, L]
    picked: torch.Tensor  # [B, M]
    targets: torch.Tensor  # [2, B, M]
    weights: torch.Tensor  # [2, B, M]
    kind: torch.Tensor  # [B, M]
    axis: torch.Tensor  # [B, M]
    first: torch.Tensor  # [B] number of a sample's first picture in the batch


@dataclass(frozen=True)
class Batch:
    header: dict
    pixels: torch.Tensor  # u8 [I, side, side, 3], with black pictures added
    attributes: torch.Tensor  # [pictures, A]
    words: Words | None
    samples: int
    tokens: int

    @property
    def pictures(self) -> int:
        return len(self.attributes)


def ancestors(parent: np.ndarray) -> np.ndarray:
    """[B, P+1, P+1]: whether a segment sees another. The last one is padding, which sees and is seen by none."""
    samples, count = parent.shape
    seen = np.zeros((samples, count + 1, count + 1), bool)
    rows = np.arange(count)[None].repeat(samples, 0)
    batch = np.arange(samples)[:, None].repeat(count, 1)
    current = rows
    while True:
        alive = current >= 0
        if not alive.any():
            return seen
        seen[batch[alive], rows[alive], current[alive]] = True
        current = np.where(alive, np.take_along_axis(parent, current.clip(0), 1), -1)


def allowed(segment: np.ndarray, parent: np.ndarray) -> torch.Tensor:
    """[B, L, L]: which earlier token of the sample a token attends. Each attends itself, so that no row is empty."""
    seen = torch.from_numpy(ancestors(parent.astype(np.int64)))
    padding = parent.shape[1]
    place = torch.from_numpy(np.where(segment < 0, padding, segment).astype(np.int64))
    samples, length = place.shape
    rows = seen.gather(1, place[:, :, None].expand(-1, -1, padding + 1))
    found = rows.gather(2, place[:, None].expand(samples, length, length)).tril_()
    found.diagonal(dim1=1, dim2=2).fill_(True)
    return found


class Shaper:
    def __init__(self, image_token: int, rows: int, mask_dtype: torch.dtype):
        self.image_token = image_token
        self.rows = rows
        self.mask_dtype = mask_dtype
        self.largest = dict.fromkeys(ROUND, 0)

    def _size(self, what: str, size: int) -> int:
        step = ROUND[what]
        self.largest[what] = max(self.largest[what], -(-size // step) * step)
        return self.largest[what]

    def batch(self, frame: "Frame") -> Batch:
        arrays = frame.arrays
        pixels = arrays["pixels"]
        count = len(pixels)
        padded = np.zeros((self._size("pictures", count), *pixels.shape[1:]), np.uint8)
        padded[:count] = pixels
        seeing = frame.header.get("mode") == "see"
        return Batch(
            header=frame.header,
            pixels=torch.from_numpy(padded),
            attributes=torch.from_numpy(arrays["attributes"].astype(np.float32)),
            words=None if seeing else self._words(arrays, count),
            samples=count if seeing else len(arrays["tokens"]),
            tokens=count * PICTURE_TOKENS if seeing else int((arrays["segment"] >= 0).sum()),
        )

    def _words(self, arrays: dict[str, np.ndarray], pictures: int) -> Words:
        tokens = arrays["tokens"].astype(np.int64)
        looks = (tokens == self.image_token) & (arrays["segment"] >= 0)
        if looks.sum() != pictures * PICTURE_TOKENS:
            raise ValueError(f"{looks.sum()} picture tokens for {pictures} pictures")
        slot = np.where(looks, np.cumsum(looks).reshape(looks.shape), 0)
        given = len(arrays["system"])
        system = np.zeros(self._size("system", given), np.int64)
        system[:given] = arrays["system"]
        picked, present = self._picked((arrays["weight0"] != 0) | (arrays["weight1"] != 0))

        def take(name: str) -> np.ndarray:
            return np.take_along_axis(arrays[name], picked, 1)

        return Words(
            system=torch.from_numpy(system),
            source=torch.from_numpy(np.where(looks, self.rows - 1 + slot, tokens)),
            slot=torch.from_numpy(slot),
            mask=self._mask(allowed(arrays["segment"], arrays["parent"]))[:, None],
            system_mask=self._mask(torch.arange(len(system)) < given)[None, None, None],
            positions=torch.from_numpy(arrays["positions"].astype(np.int64).transpose(1, 0, 2).copy()),
            picked=torch.from_numpy(picked),
            targets=torch.from_numpy(np.stack([take("target0"), take("target1")]).astype(np.int64)),
            weights=torch.from_numpy(np.stack([take("weight0"), take("weight1")]).astype(np.float32) * present),
            kind=torch.from_numpy(take("kind").astype(np.int64)),
            axis=torch.from_numpy(take("axis").astype(np.int64)),
            first=torch.from_numpy((np.cumsum(looks.sum(1)) - looks.sum(1)) // PICTURE_TOKENS),
        )

    def _picked(self, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        counts = wanted.sum(1)
        size = min(self._size("picked", int(counts.max())), wanted.shape[1])
        picked = np.argsort(~wanted, axis=1, kind="stable")[:, :size]
        return picked, np.arange(size)[None] < counts[:, None]

    def _mask(self, seen: torch.Tensor) -> torch.Tensor:
        return torch.zeros(seen.shape, dtype=self.mask_dtype).masked_fill_(~seen, -torch.inf)
