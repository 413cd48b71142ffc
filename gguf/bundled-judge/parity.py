#!/usr/bin/env python3
"""Compares `forward.py` with transformers' own forward: a plain sequence, and each path through a tree of branches."""

import sys

import numpy as np
import torch

import config
from batches import Shaper
from forward import Eyes, Reader
from frames import Frame

LIMIT = 1e-3
SYSTEM = 21


def theirs(model: torch.nn.Module, ids: np.ndarray, pixels: np.ndarray) -> torch.Tensor:
    """Logits by transformers of one sequence, whose positions it works out by itself."""
    size, blocks = config.VISION.patch, config.GRID // 2
    x = torch.from_numpy(pixels).float().div(127.5).sub(1)
    x = x.view(-1, blocks, 2, size, blocks, 2, size, 3).permute(0, 1, 4, 2, 5, 7, 3, 6)
    x = x.unsqueeze(6).expand(*[-1] * 6, 2, -1, -1).reshape(len(pixels) * config.GRID**2, -1)
    grid = torch.tensor([[1, config.GRID, config.GRID]] * len(pixels))
    tokens = torch.from_numpy(ids.astype(np.int64))[None]
    return model(input_ids=tokens, pixel_values=x, image_grid_thw=grid).logits[0]


def ours(model: torch.nn.Module, arrays: dict[str, np.ndarray]) -> torch.Tensor:
    ids = config.tokenizer().vocabulary.ids
    batch = Shaper(ids["<|image_pad|>"], len(ids), torch.float32).batch(Frame({}, arrays))
    reader = Reader(model.model.language_model, torch.float32)
    hidden, _ = reader(batch.words, Eyes(model.model.visual, torch.float32)(batch.pixels), reader.ropes(batch.words))
    return model.lm_head(hidden)[:, : arrays["tokens"].shape[1]]


def main() -> int:
    torch.manual_seed(1)
    random = np.random.default_rng(1)
    model = config.build().eval()
    ids = config.tokenizer().vocabulary.ids
    picture = [ids["<|vision_start|>"], *[ids["<|image_pad|>"]] * config.PICTURE_TOKENS, ids["<|vision_end|>"]]

    def text(count: int) -> list[int]:
        return random.integers(0, 4000, count).tolist()

    system = text(SYSTEM)
    # Segments: a prefix with two pictures, two questions behind it, an answer behind the second; then padding.
    parts = [text(4) + picture + text(3) + picture + text(5), text(7), text(9), text(6)]
    parent = [-1, 0, 0, 2]
    paths = [[0], [0, 1], [0, 2, 3]]
    pixels = random.integers(0, 256, (4, 128, 128, 3), dtype=np.uint8)

    segment = np.concatenate([np.full(len(part), index) for index, part in enumerate(parts)] + [np.full(5, -1)])
    row = np.array(sum(parts, []) + [0] * 5)
    positions = np.zeros((3, len(row)), np.int64)
    for path in paths:
        own = np.isin(segment, path)
        whole = torch.tensor([system + row[own].tolist()])
        grid = torch.tensor([[1, config.GRID, config.GRID]] * 2)
        positions[:, own] = model.model.get_rope_index(whole, grid)[0][:, 0, SYSTEM:].numpy()
    same = {"target0", "target1", "kind", "axis"}
    shape = (2, len(row))
    arrays = {
        "pixels": pixels,
        "attributes": np.zeros((4, 0), np.float32),
        "system": np.array(system),
        "tokens": np.stack([row, row]),
        "segment": np.stack([segment, segment]),
        "parent": np.array([parent, parent]),
        "positions": np.stack([positions, positions]),
        **{name: np.zeros(shape, np.int64) for name in same},
        "weight0": np.ones(shape, np.float32),
        "weight1": np.zeros(shape, np.float32),
    }
    worst = 0.0
    with torch.no_grad():
        tree = ours(model, arrays)
        for sample in range(2):
            for path in paths:
                own = np.isin(segment, path)
                expected = theirs(model, np.array(system + row[own].tolist()), pixels[2 * sample : 2 * sample + 2])
                difference = (tree[sample, own] - expected[SYSTEM:]).abs().max().item()
                print(f"sample {sample}, path {path}: {difference:.2e}, largest logit {expected.abs().max():.2f}")
                worst = max(worst, difference)
    print("same" if worst < LIMIT else "DIFFERENT")
    return int(worst >= LIMIT)


if __name__ == "__main__":
    sys.exit(main())
