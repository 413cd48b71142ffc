"""Muon for the matrices inside the layers, AdamW for the rest, and the learning rate over time."""

from pathlib import Path

import torch
from torch import nn

MUON_RATE = 0.02
ADAM_RATE = 1.5e-3
CLIP = 1.0
WARM_UP = 100


class Optimiser:
    def __init__(self, model: nn.Module, heads: nn.Module, rate: float):
        inner, outer = [], []
        for name, weight in model.named_parameters():
            in_layers = (".layers." in name or ".blocks." in name or "merger" in name) and weight.dim() == 2
            (inner if in_layers else outer).append(weight)
        self.weights = [*inner, *outer, *heads.parameters()]
        rest = [*outer, *heads.parameters()]
        self.parts = [
            # torch's "original" adjustment: the one that a rate of 0.02 belongs to.
            torch.optim.Muon(inner, lr=MUON_RATE * rate, weight_decay=0.05, adjust_lr_fn="original"),
            torch.optim.AdamW(rest, lr=ADAM_RATE * rate, betas=(0.9, 0.95), weight_decay=0.01, fused=True),
        ]
        self.full = [part.param_groups[0]["lr"] for part in self.parts]

    def step(self, scale: float) -> float:
        """Clips, steps at `scale` of the full rate and clears the gradients; the gradient's norm before clipping."""
        norm = nn.utils.clip_grad_norm_([weight for weight in self.weights if weight.grad is not None], CLIP)
        for part, rate in zip(self.parts, self.full):
            part.param_groups[0]["lr"] = rate * scale
            part.step()
            part.zero_grad(set_to_none=True)
        return norm.item()

    def state_dict(self) -> list[dict]:
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, states: list[dict]) -> None:
        for part, state in zip(self.parts, states):
            part.load_state_dict(state)


class Schedule:
    """Warm-up, then constant, then a fall to zero. When it falls can be decided late, by a file named DECAY."""

    def __init__(self, steps: int, decay_steps: int, request: Path):
        self.start = steps - decay_steps
        self.length = decay_steps
        self.request = request

    def check(self, step: int) -> None:
        if step < self.start and self.request.exists():
            self.start, self.length = step, int(self.request.read_text())

    def scale(self, step: int) -> float:
        falling = 1 - max(step - self.start, 0) / max(self.length, 1)
        return max(min((step + 1) / WARM_UP, 1.0, falling), 0.0)

    def over(self, step: int) -> bool:
        return step >= self.start + self.length

    def state_dict(self) -> dict:
        return {"start": self.start, "length": self.length}
