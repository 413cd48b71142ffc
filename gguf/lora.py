"""Writes a LoRA adapter for a small dense model: beside some matrices W a product of two thin ones, W + b · a."""

from collections.abc import Iterator
from pathlib import Path

from gguf import GGMLQuantizationType, GGUFWriter, Keys

from container import Filling, Tensor, general, text_tensors, write
from shapes import TextShape

F16 = GGMLQuantizationType.F16
RANK = 4
ALPHA = 8.0  # llama.cpp multiplies by alpha / rank

# The first layer is what makes the answers of the right kind (README.md): an adapter leaves it alone.
FIRST_LAYER = 1
ADAPTED = ("attn_q", "attn_v", "attn_output", "ffn_down")


def adapter_tensors(shape: TextShape) -> Iterator[Tensor]:
    """Pairs in the order of the model's own tensors."""
    for tensor in text_tensors(shape, 0, lambda name, dims: F16):
        parts = tensor.name.split(".")
        if parts[0] != "blk" or int(parts[1]) < FIRST_LAYER or parts[2] not in ADAPTED:
            continue
        rows, columns = tensor.shape
        yield Tensor(f"{tensor.name}.lora_a", (RANK, columns), F16)
        yield Tensor(f"{tensor.name}.lora_b", (rows, RANK), F16)


def write_adapter(path: Path, shape: TextShape, filling: Filling) -> None:
    writer = GGUFWriter(path, shape.architecture)
    general(writer, "adapter", filling)
    writer.add_string(Keys.Adapter.TYPE, "lora")
    writer.add_float32(Keys.Adapter.LORA_ALPHA, ALPHA)
    write(writer, list(adapter_tensors(shape)), filling.values)
