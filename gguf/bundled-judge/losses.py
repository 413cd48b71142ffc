"""Losses, and the measurements that go into the log."""

from collections import defaultdict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from batches import Batch, Words
from config import TEXT, VISION, tokenizer
from forward import Looks

DIGITS = torch.tensor([tokenizer().vocabulary.ids[str(digit)] for digit in range(10)])


class Tally:
    """Sums and counts by name, read and emptied at each line of the log."""

    def __init__(self):
        self.sums: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])

    def add(self, group: str, name: str, total: float, count: float = 1) -> None:
        entry = self.sums[group, name]
        entry[0] += total
        entry[1] += count

    def spread(self, group: str, names: list[str], index: Tensor, values: Tensor) -> None:
        """Adds each value under the name that its index stands for."""
        totals = torch.bincount(index, values.double(), len(names)).tolist()
        counts = torch.bincount(index, minlength=len(names)).tolist()
        for name, total, count in zip(names, totals, counts):
            if count:
                self.add(group, name, total, count)

    def means(self) -> dict[str, dict[str, float]]:
        out: dict[str, dict[str, float]] = defaultdict(dict)
        for (group, name), (total, count) in sorted(self.sums.items()):
            out[group][name] = round(total / max(count, 1e-9), 5)
        self.sums.clear()
        return dict(out)


def language_loss(hidden: Tensor, table: Tensor, words: Words, header: dict, tally: Tally) -> Tensor:
    """Cross-entropy against two weighted targets a position, averaged by weight."""
    present = words.weights.sum(0) != 0
    targets, weights = words.targets[:, present], words.weights[:, present]
    logits = F.linear(hidden[present], table.to(hidden.dtype)).float()
    chosen = logits.log_softmax(-1).gather(1, targets.T)
    each = -(chosen * weights.T).sum(1)
    loss = each.sum() / weights.sum()
    with torch.no_grad():
        kind, axis = words.kind[present], words.axis[present]
        best = torch.where(weights[0] >= weights[1], targets[0], targets[1])
        tally.spread("loss", header["kinds"], kind, each / weights.sum(0))
        tally.spread("agree", header["kinds"], kind, (logits.argmax(-1) == best).float())
        scored = torch.tensor([name.startswith("digit") for name in header["kinds"]])[kind]
        if scored.any():
            error = digit_error(logits[scored], targets[:, scored], weights[:, scored])
            tally.spread("digit_error", header["kinds"], kind[scored], error)
            tally.spread("digit_error_axis", header["axes"], axis[scored], error)
    return loss


def digit_error(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """|expected digit - target's expected digit| / 9, where the expectation is over digits only."""
    scale = torch.arange(10.0)
    expected = logits[:, DIGITS].softmax(-1) @ scale
    values = torch.zeros(int(max(targets.max(), DIGITS.max())) + 1).index_put((DIGITS,), scale)
    wanted = (values[targets] * weights).sum(0) / weights.sum(0)
    return (expected - wanted).abs() / 9


# What a score on an axis needs to know of either picture, by the attributes' names.
NEEDED = {
    "subject": ["subject"],
    "colour": ["hue_sin", "hue_cos"],
    "pattern": ["pattern"],
    "size": ["size"],
    "position": ["across", "down"],
    "mark": ["mark"],
    "count": ["count"],
    "background": ["backdrop_sin", "backdrop_cos"],
    "lighting": ["light_sin", "light_cos"],
    "texture": ["texture"],
}


class Halfway(nn.Module):
    """Reads both pictures' attributes on the axis in question off a score's position, half-way through the layers.

    It teaches the lower layers to look things up before the upper ones compare. Thrown away at export.
    """

    def __init__(self, attributes: list[dict]):
        super().__init__()
        self.attributes = attributes
        self.sizes = [entry["classes"] if entry["kind"] == "class" else 1 for entry in attributes]
        self.norm = nn.LayerNorm(TEXT.embedding)
        self.linear = nn.Linear(TEXT.embedding, 2 * sum(self.sizes))

    def loss(self, halfway: Tensor, batch: Batch, tally: Tally) -> Tensor:
        words, header = batch.words, batch.header
        digits = torch.tensor([name.startswith("digit") for name in header["kinds"]])[words.kind]
        digits &= words.weights.sum(0) != 0
        guesses = self.linear(self.norm(halfway[digits].float())).chunk(2, -1)
        axis = words.axis[digits]
        first = words.first[:, None].expand_as(words.kind)[digits]
        losses = []
        for guess, picture in zip(guesses, (first, first + 1)):
            wanted = batch.attributes[picture]
            for entry, part, value in zip(self.attributes, guess.split(self.sizes, -1), wanted.unbind(-1)):
                asked = torch.tensor([entry["name"] in NEEDED[name] for name in header["axes"]])[axis]
                known = asked & ~value.isnan()
                if not known.any():
                    continue
                if entry["kind"] == "class":
                    losses.append(F.cross_entropy(part[known], value[known].long()))
                    right = (part[known].argmax(-1) == value[known].long()).sum().item()
                    tally.add("halfway_accuracy", entry["name"], right, int(known.sum()))
                else:
                    losses.append(F.smooth_l1_loss(part[known, 0], value[known], beta=0.1))
        loss = torch.stack(losses).mean()
        tally.add("loss", "halfway", loss.item())
        return loss


class Heads(nn.Module):
    """Reads the attributes of a drawn scene off its picture tokens. Only for training: thrown away at export."""

    def __init__(self, attributes: list[dict]):
        super().__init__()
        self.attributes = attributes
        self.sizes = [entry["classes"] if entry["kind"] == "class" else 1 for entry in attributes]
        sources = 1 + len(VISION.deepstack)
        self.norm = nn.LayerNorm(2 * sources * TEXT.embedding)
        self.linear = nn.Linear(2 * sources * TEXT.embedding, sum(self.sizes))

    def forward(self, looks: Looks, count: int) -> Tensor:
        parts = [part[:count].float() for part in (looks.first, *looks.deep)]
        pooled = torch.cat([part.mean(1) for part in parts] + [part.amax(1) for part in parts], -1)
        return self.linear(self.norm(pooled))

    def loss(self, looks: Looks, batch: Batch, tally: Tally) -> Tensor:
        """Mean over attributes of the mean over the pictures where each applies."""
        losses = []
        parts = self(looks, batch.pictures).split(self.sizes, -1)
        for entry, guess, wanted in zip(self.attributes, parts, batch.attributes.unbind(-1)):
            known = ~wanted.isnan()
            if not known.any():
                continue
            guess, wanted = guess[known], wanted[known]
            if entry["kind"] == "class":
                losses.append(F.cross_entropy(guess, wanted.long()))
                right = (guess.argmax(-1) == wanted.long()).sum().item()
                tally.add("attribute_accuracy", entry["name"], right, len(wanted))
            else:
                losses.append(F.smooth_l1_loss(guess[:, 0], wanted, beta=0.1))
                off = (guess[:, 0] - wanted).abs().sum().item()
                tally.add("attribute_error", entry["name"], off, len(wanted))
        loss = torch.stack(losses).mean()
        tally.add("loss", "attributes", loss.item())
        return loss
