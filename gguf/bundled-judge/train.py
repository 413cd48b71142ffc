#!/usr/bin/env python3
"""Trains the bundled judge on batches drawn by another program (`frames.py` says how they arrive)."""

import argparse
import json
import os
import sys
import time
from pathlib import Path

# Read when torch loads. Threads that spin while they wait make a step six times as long as soon as anything else runs.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch  # noqa: E402
from torch import nn  # noqa: E402

import config  # noqa: E402
import export  # noqa: E402
import memory  # noqa: E402
from batches import Batch, Shaper  # noqa: E402
from forward import Eyes, Looks, Reader  # noqa: E402
from frames import Source  # noqa: E402
from losses import Halfway, Heads, Tally, language_loss  # noqa: E402
from optimiser import Optimiser, Schedule  # noqa: E402

TYPES = {"bf16": torch.bfloat16, "f32": torch.float32}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="shell command that writes batches; {step} becomes the first step")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--init", type=Path, help="take the weights, and nothing else, of a checkpoint or of a folder with exported files")
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--decay-steps", type=int, default=300)
    parser.add_argument("--rate", type=float, default=1.0, help="factor on both learning rates")
    parser.add_argument("--aux", type=float, default=0.3, help="weight of the attributes beside the language loss")
    parser.add_argument("--save-minutes", type=float, default=5)
    parser.add_argument("--log-steps", type=int, default=50)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", choices=TYPES, default="bf16", help="of the matrix products")
    parser.add_argument("--compile", action="store_true", help="a third faster, after one to two minutes")
    return parser.parse_args()


class Training:
    def __init__(self, options: argparse.Namespace, attributes: list[dict]):
        dtype = TYPES[options.dtype]
        self.options = options
        self.model = config.build()
        self.heads = Heads(attributes)
        self.halfway = Halfway(attributes)
        self.step = 0
        self.tally = Tally()
        self.optimiser = Optimiser(self.model, nn.ModuleList([self.heads, self.halfway]), options.rate)
        self.schedule = Schedule(options.steps, options.decay_steps, options.out / "DECAY")
        self.checkpoint = options.out / "checkpoint.pt"
        self.reader = Reader(self.model.model.language_model, dtype)
        eyes = Eyes(self.model.model.visual, dtype)
        self.see, self.read = eyes.__call__, self.reader.__call__
        if options.compile:
            self.see, self.read = torch.compile(self.see, dynamic=False), torch.compile(self.read, dynamic=False)

    def resume(self) -> None:
        if self.checkpoint.exists():
            self._take_weights(state := torch.load(self.checkpoint, weights_only=True))
            self.optimiser.load_state_dict(state["optimiser"])
            self.schedule.start, self.schedule.length = state["schedule"]["start"], state["schedule"]["length"]
            self.step = state["step"]
            torch.set_rng_state(state["random"])
        elif self.options.init:
            if self.options.init.is_dir():
                self.model.load_state_dict(export.read(self.options.init))
            else:
                self._take_weights(torch.load(self.options.init, weights_only=True))

    def _take_weights(self, state: dict) -> None:
        self.model.load_state_dict(state["model"])
        if state["attributes"] == self.heads.attributes:
            self.heads.load_state_dict(state["heads"])
            if "halfway" in state:
                self.halfway.load_state_dict(state["halfway"])

    def save(self, path: Path) -> None:
        """Under another name first, so that a reader or a crash never meets half a file."""
        state = {
            "model": self.model.state_dict(),
            "heads": self.heads.state_dict(),
            "halfway": self.halfway.state_dict(),
            "attributes": self.heads.attributes,
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "step": self.step,
            "random": torch.get_rng_state(),
        }
        torch.save(state, partial := path.with_suffix(".partial"))
        os.replace(partial, path)

    def loss(self, batch: Batch) -> torch.Tensor:
        looks: Looks = self.see(batch.pixels)
        seen = self.heads.loss(looks, batch, self.tally)
        if batch.words is None:
            return seen
        hidden, halfway = self.read(batch.words, looks, self.reader.ropes(batch.words))
        table = self.model.model.language_model.embed_tokens.weight
        said = language_loss(hidden, table, batch.words, batch.header, self.tally)
        return said + self.options.aux * (seen + self.halfway.loss(halfway, batch, self.tally))

    def advance(self, batch: Batch) -> None:
        loss = self.loss(batch)
        loss.backward()
        scale = self.schedule.scale(self.step)
        norm = self.optimiser.step(scale)
        self.step += 1
        for name, value in (("loss", loss.item()), ("rate", scale), ("gradient", norm)):
            self.tally.add("all", name, value)


class Log:
    def __init__(self, path: Path, source: Source):
        self.file = path.open("a", encoding="utf-8")
        self.source = source
        self.begin = time.monotonic()
        self._restart()

    def _restart(self) -> None:
        self.last, self.samples, self.tokens = time.monotonic(), 0, 0
        self.source.waited = 0.0

    def count(self, batch: Batch) -> None:
        self.samples += batch.samples
        self.tokens += batch.tokens

    def write(self, step: int, tally: Tally) -> None:
        now = time.monotonic()
        means = tally.means()
        whole = means.pop("all")
        line = {
            "step": step,
            "seconds": round(now - self.begin, 1),
            "samples_per_second": round(self.samples / (now - self.last), 2),
            "tokens_per_second": round(self.tokens / (now - self.last)),
            "waited": round(self.source.waited, 2),
            **whole,
            "by": means,
        }
        print(json.dumps(line), file=self.file, flush=True)
        kinds = " ".join(f"{name} {value:.3f}" for name, value in means["loss"].items())
        print(
            f"{step} {line['seconds']:.0f}s {line['samples_per_second']:.1f}/s waited {line['waited']:.1f} {kinds}",
            file=sys.stderr,
            flush=True,
        )
        self._restart()


def train(options: argparse.Namespace) -> None:
    memory.keep()
    torch.set_num_threads(options.threads)
    torch.manual_seed(config.SEED)
    options.out.mkdir(parents=True, exist_ok=True)
    done = options.out / "checkpoint.pt"
    first = torch.load(done, weights_only=True)["step"] if done.exists() else 0
    ids = config.tokenizer().vocabulary.ids
    shaper = Shaper(ids["<|image_pad|>"], len(ids), TYPES[options.dtype])
    source = Source(options.data.replace("{step}", str(first)), shaper)
    try:
        batch = source.next()
        training = Training(options, batch.header["attributes"])
        training.resume()
        run(training, source, batch)
    finally:
        source.close()


def run(training: Training, source: Source, batch: Batch) -> None:
    options = training.options
    log, saved = Log(options.out / "log.jsonl", source), time.monotonic()
    while True:
        training.schedule.check(training.step)
        if training.schedule.over(training.step):
            training.save(options.out / "final.pt")
            return
        training.advance(batch)
        log.count(batch)
        if training.step % options.log_steps == 0:
            log.write(training.step, training.tally)
        if time.monotonic() - saved > 60 * options.save_minutes:
            training.save(training.checkpoint)
            saved = time.monotonic()
        batch = source.next()


if __name__ == "__main__":
    train(arguments())
