#!/usr/bin/env python3
"""Writes GGUF files with fixed-seed random weights: Qwen3-VL, Qwen3.5, Gemma 3, and an adapter (README.md)."""

import argparse
import hashlib
import sys
from dataclasses import replace
from pathlib import Path

from gguf import GGMLQuantizationType as Q
from gguf import LlamaFileType

import container
import gemma3
import hybrid
import lora
from bpe import Vocabulary
from loose_weights import Adapter, Leaning, Loose
from random_weights import Plain, Wired
from shapes import (
    SIZES,
    TINY_GEMMA,
    TINY_GEMMA_VISION,
    TINY_HYBRID,
    TINY_HYBRID_MOE,
    TINY_HYBRID_VISION,
    TINY_MOE,
    TINY_TEXT,
    TINY_VISION,
    HybridShape,
)
from spm import Pieces

HERE = Path(__file__).resolve().parent
MERGES = 4000
SEED = 20263


def kinds(quantisation: str, layers: int = 0):
    """How each matrix is stored; what does not divide into blocks stays F16."""
    block = {"f16": Q.F16, "q8_0": Q.Q8_0, "q4_k": Q.Q4_K, "q4_k_m": Q.Q4_K}[quantisation]

    def kind(name: str, shape: tuple[int, ...]) -> Q:
        wide = block == Q.Q4_K and name in ("token_embd", "output")
        if quantisation == "q4_k_m" and name.startswith("blk."):
            _, layer, part = name.split(".")
            wide = part in ("attn_v", "ffn_down", "ffn_down_exps") and has_more_bits(int(layer), layers)
        chosen = Q.Q6_K if wide else block
        size = {Q.F16: 1, Q.Q8_0: 32}.get(chosen, 256)
        return chosen if shape[-1] % size == 0 else Q.F16

    return kind


def has_more_bits(layer: int, layers: int) -> bool:
    """In Q4_K_M the first and the last eighth of the layers and every third between have Q6_K where it matters most."""
    eighth = layers // 8
    return layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2


FILE_TYPES = {
    "f16": LlamaFileType.MOSTLY_F16,
    "q8_0": LlamaFileType.MOSTLY_Q8_0,
    "q4_k": LlamaFileType.MOSTLY_Q4_K_S,
    "q4_k_m": LlamaFileType.MOSTLY_Q4_K_M,
}


def filling(
    name: str, quantisation: str, values: container.Values, layers: int = 0, **about: str
) -> container.Filling:
    return container.Filling(name, kinds(quantisation, layers), FILE_TYPES[quantisation], values, **about)


def beside(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def tokenizer() -> container.Tokenizer:
    return container.Tokenizer(Vocabulary(beside("vocabulary.txt"), MERGES), beside("chat_template.jinja").strip())


def write_small(out: Path) -> list[Path]:
    tokens = tokenizer()
    paths = []
    for stem, shape in (("random-qwen3vl", TINY_TEXT), ("random-qwen3vlmoe", TINY_MOE)):
        paths.append(out / f"{stem}.gguf")
        content = filling("Prompt Calibrator random judge", "q8_0", Wired(SEED, shape, tokens.vocabulary))
        container.write_text(paths[-1], shape, len(TINY_VISION.deepstack), tokens, content)
    paths.append(write_small_projector(out / "random-mmproj.gguf", TINY_TEXT.embedding, tokens))
    return [*paths, write_small_adapter(out), *write_small_gemma(out, tokens.vocabulary), *write_small_hybrids(out, tokens)]


def write_small_projector(path: Path, embedding: int, tokens: container.Tokenizer) -> Path:
    content = filling("Prompt Calibrator random projector", "q8_0", Wired(SEED, TINY_TEXT, tokens.vocabulary))
    container.write_vision(path, TINY_VISION, embedding, content)
    return path


def write_small_adapter(out: Path) -> Path:
    path = out / "random-lora.gguf"
    about = "A LoRA adapter of fixed-seed random numbers for random-qwen3vl.gguf. It knows nothing."
    values = Adapter(SEED, lora.ALPHA / lora.RANK)
    lora.write_adapter(path, TINY_TEXT, filling("Prompt Calibrator random adapter", "f16", values, description=about))
    return path


def write_small_gemma(out: Path, vocabulary: Vocabulary) -> list[Path]:
    paths = [out / "random-gemma3.gguf", out / "random-gemma3-mmproj.gguf"]
    about = "Fixed-seed random weights in the architecture of Gemma 3. It sees nothing."
    judge, projector = (
        filling(f"Prompt Calibrator random Gemma 3 {part}", "q8_0", Loose(SEED), description=about)
        for part in ("judge", "projector")
    )
    tokens = gemma3.Tokenizer(Pieces(vocabulary), beside("gemma_template.jinja").strip())
    gemma3.write_text(paths[0], TINY_GEMMA, tokens, judge)
    gemma3.write_vision(paths[1], TINY_GEMMA_VISION, TINY_GEMMA.embedding, projector)
    return paths


def write_small_hybrids(out: Path, tokens: container.Tokenizer) -> list[Path]:
    about = "Fixed-seed random weights in the architecture of Qwen3.5. It sees nothing."
    values = Leaning(SEED, tokens.vocabulary)
    judge, projector = (
        filling(f"Prompt Calibrator random Qwen3.5 {part}", "q8_0", values, description=about)
        for part in ("judge", "projector")
    )
    paths = [out / f"random-{name}.gguf" for name in ("qwen35", "qwen35moe", "qwen35-mmproj")]
    for path, shape in zip(paths, (TINY_HYBRID, TINY_HYBRID_MOE)):
        hybrid.write_text(path, shape, tokens, judge)
    container.write_vision(paths[2], TINY_HYBRID_VISION, TINY_HYBRID.embedding, projector)
    return paths


def write_size(out: Path, size: str, quantisation: str, layers: int | None) -> list[Path]:
    text, vision = SIZES[size]
    if layers:
        # The first layers feed deepstack, so that what a token brings in stays as wide as published.
        deepstack = tuple(range(len(vision.deepstack)))
        text, vision = replace(text, layers=layers), replace(vision, layers=layers, deepstack=deepstack)
    paths = [out / f"random-{size}-{quantisation}.gguf", out / f"random-{size}-mmproj-f16.gguf"]
    family = "" if isinstance(text, HybridShape) else "Qwen3-VL "
    name, values = f"Random weights in the shape of {family}{size}", Plain(SEED)
    content = filling(name, quantisation, values, text.layers)
    if isinstance(text, HybridShape):
        hybrid.write_text(paths[0], text, tokenizer(), content)
    else:
        container.write_text(paths[0], text, len(vision.deepstack), tokenizer(), content)
    container.write_vision(paths[1], vision, text.embedding, filling(name, "f16", values))
    return paths


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE, help="folder for the files (default: beside this script)")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--size", choices=SIZES, help="the shape of a published size instead of the small files")
    choice.add_argument("--embedding", type=int, help="only a small projector of this width (one that does not fit)")
    parser.add_argument("--quant", choices=FILE_TYPES, default="q8_0", help="for --size (default: q8_0)")
    parser.add_argument("--layers", type=int, help="for --size: so many layers only, 4 at least, to measure buffers")
    parser.add_argument("--no-sums", action="store_true", help="print names only: of 18 GB a sum takes a while")
    options = parser.parse_args()
    if options.layers and (not options.size or options.layers < 4):
        parser.error("--layers goes with --size, and is 4 at least")
    options.out.mkdir(parents=True, exist_ok=True)
    if options.size:
        paths = write_size(options.out, options.size, options.quant, options.layers)
    elif options.embedding:
        path = options.out / f"random-mmproj-{options.embedding}.gguf"
        paths = [write_small_projector(path, options.embedding, tokenizer())]
    else:
        paths = write_small(options.out)
    for path in paths:
        print(path.name if options.no_sums else f"{sha256(path)}  {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
