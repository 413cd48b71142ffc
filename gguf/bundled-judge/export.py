#!/usr/bin/env python3
"""Writes a checkpoint as the two GGUF files that the program ships. Only names change: no weight is permuted."""

import argparse
import hashlib
import sys
from pathlib import Path

import numpy as np
import torch
from gguf import GGMLQuantizationType, GGUFReader, LlamaFileType

import config
import container

FILES = ("bundled-qwen3vl.gguf", "bundled-mmproj.gguf")

TEXT_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
VISION_NAMES = {
    "ln1": "norm1",
    "attn_qkv": "attn.qkv",
    "attn_out": "attn.proj",
    "ln2": "norm2",
    "ffn_up": "mlp.linear_fc1",
    "ffn_down": "mlp.linear_fc2",
}
DEEPSTACK_NAMES = {"norm": "norm", "fc1": "linear_fc1", "fc2": "linear_fc2"}
SINGLE_NAMES = {
    "token_embd": "model.language_model.embed_tokens",
    "output_norm": "model.language_model.norm",
    "v.position_embd": "model.visual.pos_embed",
    "v.post_ln": "model.visual.merger.norm",
    "mm.0": "model.visual.merger.linear_fc1",
    "mm.2": "model.visual.merger.linear_fc2",
}


def source_name(name: str) -> str:
    """The transformers parameter behind a GGUF tensor other than the patch embedding."""
    stem, suffix = name.rsplit(".", 1)
    if stem in SINGLE_NAMES:
        return f"{SINGLE_NAMES[stem]}.{suffix}"
    place, layer, part = stem.rsplit(".", 2)
    match place:
        case "blk":
            return f"model.language_model.layers.{layer}.{TEXT_NAMES[part]}.{suffix}"
        case "v.blk":
            return f"model.visual.blocks.{layer}.{VISION_NAMES[part]}.{suffix}"
        case "v.deepstack":
            index = config.VISION.deepstack.index(int(layer))
            return f"model.visual.deepstack_merger_list.{index}.{DEEPSTACK_NAMES[part]}.{suffix}"
    raise KeyError(name)


def values(weights: dict[str, torch.Tensor]) -> container.Values:
    def patch(name: str) -> torch.Tensor:
        projection = "model.visual.patch_embed.proj"
        if name == "v.patch_embd.bias":
            return weights[f"{projection}.bias"]
        return weights[f"{projection}.weight"][:, :, int(name.endswith(".1"))]

    def numbers(tensor: container.Tensor) -> np.ndarray:
        name = tensor.name
        found = patch(name) if name.startswith("v.patch_embd.") else weights[source_name(name)]
        if tuple(found.shape) != tensor.shape:
            raise ValueError(f"{name}: {tuple(found.shape)} instead of {tensor.shape}")
        dtype = np.float32 if tensor.kind == container.F32 else np.float16
        return np.ascontiguousarray(found.float().numpy().astype(dtype))

    return numbers


def read(folder: Path) -> dict[str, torch.Tensor]:
    """The weights of files that `write` made, so that training can go on from what is shipped."""
    weights, patch = {}, {}
    for name in FILES:
        for tensor in GGUFReader(folder / name).tensors:
            # llama.cpp counts dimensions from the fastest one.
            shape = tuple(int(size) for size in reversed(tensor.shape))
            found = torch.from_numpy(np.array(tensor.data)).reshape(shape).float()
            if tensor.name.startswith("v.patch_embd."):
                patch[tensor.name.removeprefix("v.patch_embd.")] = found
            else:
                weights[source_name(tensor.name)] = found
    projection = "model.visual.patch_embed.proj"
    weights[f"{projection}.weight"] = torch.stack([patch["weight"], patch["weight.1"]], 2)
    weights[f"{projection}.bias"] = patch["bias"]
    weights["lm_head.weight"] = weights["model.language_model.embed_tokens.weight"]
    return weights


def write(weights: dict[str, torch.Tensor], out: Path, name: str, trained: bool) -> list[Path]:
    said = (
        "A small judge trained from scratch on drawn scenes, in the architecture of Qwen3-VL."
        if trained
        else "Untrained weights in the shape of the bundled judge. It sees nothing."
    )
    tags = ("image-text-to-text",) if trained else ("random-weights", "test-fixture")

    def filling(title: str) -> container.Filling:
        return container.Filling(
            title,
            lambda _name, _shape: GGMLQuantizationType.F16,
            LlamaFileType.MOSTLY_F16,
            values(weights),
            said,
            tags,
            trained,
            "rendered scenes" if trained else "",
        )

    out.mkdir(parents=True, exist_ok=True)
    paths = [out / name for name in FILES]
    container.write_text(paths[0], config.TEXT, len(config.VISION.deepstack), config.tokenizer(), filling(name))
    container.write_vision(paths[1], config.VISION, config.TEXT.embedding, filling(f"{name} projector"))
    return paths


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path, nargs="?")
    parser.add_argument("out", type=Path)
    parser.add_argument("--untrained", action="store_true", help="the weights before training, instead of a checkpoint")
    parser.add_argument("--name", default="Prompt Calibrator bundled judge")
    options = parser.parse_args()
    if options.untrained == (options.checkpoint is not None):
        parser.error("either a checkpoint or --untrained")
    if options.untrained:
        weights = config.build().state_dict()
    else:
        weights = torch.load(options.checkpoint, map_location="cpu", weights_only=True)["model"]
    for path in write(weights, options.out, options.name, trained=not options.untrained):
        print(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
