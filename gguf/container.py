"""Writes GGUF files of the Qwen3-VL architecture. Knows keys, tensor names and shapes; not what the weights are.
`general`, `vocabulary` and `write` serve files of other kinds too.

Tensor shapes are in numpy order (rows first), the reverse of what llama.cpp prints.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, LlamaFileType, TokenType
from gguf.quants import quant_shape_to_byte_shape

from bpe import SPECIALS, Vocabulary
from shapes import TextShape, VisionShape

F32 = GGMLQuantizationType.F32


@dataclass(frozen=True)
class Tensor:
    name: str
    shape: tuple[int, ...]
    kind: GGMLQuantizationType


Kind = Callable[[str, tuple[int, ...]], GGMLQuantizationType]
Values = Callable[[Tensor], np.ndarray]


@dataclass(frozen=True)
class Filling:
    """What goes into a file: its name, how each matrix is stored (and the label for that), the numbers, and what they are."""

    name: str
    kind: Kind
    file_type: LlamaFileType
    values: Values
    description: str = "Fixed-seed random weights in the architecture of Qwen3-VL. It sees nothing."
    tags: tuple[str, ...] = ("random-weights", "test-fixture")
    trained: bool = False
    domain: str = ""  # what a model has seen, when that is little


@dataclass(frozen=True)
class Tokenizer:
    vocabulary: Vocabulary
    template: str


def text_tensors(shape: TextShape, rows: int, kind: Kind) -> Iterator[Tensor]:
    """Tensors of the language model with `rows` tokens, in file order."""
    n, head = shape.embedding, shape.head_dim
    queries, keys, ff = shape.heads * head, shape.kv_heads * head, shape.feed_forward

    def matrix(name: str, *dims: int) -> Tensor:
        return Tensor(f"{name}.weight", dims, kind(name, dims))

    def norm(name: str, width: int) -> Tensor:
        return Tensor(f"{name}.weight", (width,), F32)

    yield matrix("token_embd", rows, n)
    yield norm("output_norm", n)
    if not shape.tied:
        yield matrix("output", rows, n)
    for i in range(shape.layers):
        block = f"blk.{i}"
        yield norm(f"{block}.attn_norm", n)
        yield matrix(f"{block}.attn_q", queries, n)
        yield matrix(f"{block}.attn_k", keys, n)
        yield matrix(f"{block}.attn_v", keys, n)
        yield matrix(f"{block}.attn_output", n, queries)
        yield norm(f"{block}.attn_q_norm", head)
        yield norm(f"{block}.attn_k_norm", head)
        yield norm(f"{block}.ffn_norm", n)
        if shape.experts:
            yield Tensor(f"{block}.ffn_gate_inp.weight", (shape.experts, n), F32)
            yield matrix(f"{block}.ffn_gate_exps", shape.experts, ff, n)
            yield matrix(f"{block}.ffn_up_exps", shape.experts, ff, n)
            yield matrix(f"{block}.ffn_down_exps", shape.experts, n, ff)
        else:
            yield matrix(f"{block}.ffn_gate", ff, n)
            yield matrix(f"{block}.ffn_up", ff, n)
            yield matrix(f"{block}.ffn_down", n, ff)


def vision_tensors(shape: VisionShape, embedding: int, kind: Kind) -> Iterator[Tensor]:
    """Tensors of the picture encoder and its projector, in file order."""
    width, ff = shape.width, shape.feed_forward
    merged = width * shape.merge**2

    def linear(name: str, rows: int, columns: int) -> Iterator[Tensor]:
        yield Tensor(f"{name}.weight", (rows, columns), kind(name, (rows, columns)))
        yield Tensor(f"{name}.bias", (rows,), F32)

    def norm(name: str, size: int) -> Iterator[Tensor]:
        yield Tensor(f"{name}.weight", (size,), F32)
        yield Tensor(f"{name}.bias", (size,), F32)

    # The convolution over two frames of a video is split in two; a still picture goes through both.
    patch = (width, 3, shape.patch, shape.patch)
    yield Tensor("v.patch_embd.weight", patch, GGMLQuantizationType.F16)
    yield Tensor("v.patch_embd.weight.1", patch, GGMLQuantizationType.F16)
    yield Tensor("v.patch_embd.bias", (width,), F32)
    yield Tensor("v.position_embd.weight", (shape.positions, width), F32)
    for i in range(shape.layers):
        block = f"v.blk.{i}"
        yield from norm(f"{block}.ln1", width)
        yield from linear(f"{block}.attn_qkv", 3 * width, width)
        yield from linear(f"{block}.attn_out", width, width)
        yield from norm(f"{block}.ln2", width)
        yield from linear(f"{block}.ffn_up", ff, width)
        yield from linear(f"{block}.ffn_down", width, ff)
    yield from norm("v.post_ln", width)
    yield from linear("mm.0", merged, merged)
    yield from linear("mm.2", embedding, merged)
    for i in shape.deepstack:
        yield from norm(f"v.deepstack.{i}.norm", merged)
        yield from linear(f"v.deepstack.{i}.fc1", merged, merged)
        yield from linear(f"v.deepstack.{i}.fc2", embedding, merged)


def general(writer: GGUFWriter, kind: str, filling: Filling) -> None:
    writer.add_type(kind)
    writer.add_name(filling.name)
    writer.add_description(filling.description)
    writer.add_tags(list(filling.tags))
    writer.add_file_type(filling.file_type)
    writer.add_quantization_version(2)
    writer.add_bool("prompt_calibrator.trained", filling.trained)
    if filling.domain:
        writer.add_string("prompt_calibrator.domain", filling.domain)


def vocabulary(writer: GGUFWriter, tokenizer: Tokenizer, rows: int) -> None:
    vocabulary = tokenizer.vocabulary
    unused = [f"[PAD{i}]" for i in range(len(vocabulary.tokens), rows)]
    kinds = [TokenType.NORMAL] * len(vocabulary.ordinary) + [TokenType.CONTROL] * len(SPECIALS)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(vocabulary.tokens + unused)
    writer.add_token_types(kinds + [TokenType.UNUSED] * len(unused))
    writer.add_token_merges([f"{left} {right}" for left, right in vocabulary.merges])
    writer.add_bos_token_id(vocabulary.ids["<|endoftext|>"])
    writer.add_eos_token_id(vocabulary.ids["<|im_end|>"])
    writer.add_pad_token_id(vocabulary.ids["<|endoftext|>"])
    writer.add_add_bos_token(False)
    writer.add_chat_template(tokenizer.template)


def write(writer: GGUFWriter, tensors: list[Tensor], values: Values) -> None:
    """Streams: one tensor is in memory at a time."""
    for tensor in tensors:
        dtype = {F32: np.float32, GGMLQuantizationType.F16: np.float16}.get(tensor.kind)
        elements = int(np.prod(tensor.shape))
        if dtype is None:
            shape = quant_shape_to_byte_shape(tensor.shape, tensor.kind)
            writer.add_tensor_info(tensor.name, shape, np.dtype(np.uint8), int(np.prod(shape)), tensor.kind)
        else:
            dtype = np.dtype(dtype)
            writer.add_tensor_info(tensor.name, tensor.shape, dtype, elements * dtype.itemsize)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for tensor in tensors:
        writer.write_tensor_data(values(tensor))
    writer.close()


def write_text(path: Path, shape: TextShape, deepstack_layers: int, tokenizer: Tokenizer, filling: Filling) -> None:
    rows = max(shape.vocabulary, len(tokenizer.vocabulary.tokens))
    writer = GGUFWriter(path, shape.architecture)
    general(writer, "model", filling)
    writer.add_block_count(shape.layers)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.embedding)
    writer.add_feed_forward_length(shape.feed_forward * max(shape.experts_used, 1))
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head_dim)
    writer.add_value_length(shape.head_dim)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_rope_dimension_sections(shape.rope_sections)
    writer.add_num_deepstack_layers(deepstack_layers)
    writer.add_vocab_size(rows)
    if shape.experts:
        writer.add_expert_count(shape.experts)
        writer.add_expert_used_count(shape.experts_used)
        writer.add_expert_feed_forward_length(shape.feed_forward)
    vocabulary(writer, tokenizer, rows)
    write(writer, list(text_tensors(shape, rows, filling.kind)), filling.values)


def write_vision(path: Path, shape: VisionShape, embedding: int, filling: Filling) -> None:
    writer = GGUFWriter(path, "clip")
    general(writer, "mmproj", filling)
    writer.add_clip_has_vision_encoder(True)
    writer.add_clip_projector_type("qwen3vl_merger")
    writer.add_vision_use_gelu(True)
    writer.add_vision_projection_dim(embedding)
    writer.add_vision_image_size(shape.image_size)
    writer.add_vision_patch_size(shape.patch)
    writer.add_vision_spatial_merge_size(shape.merge)
    writer.add_vision_embedding_length(shape.width)
    writer.add_vision_feed_forward_length(shape.feed_forward)
    writer.add_vision_block_count(shape.layers)
    writer.add_vision_head_count(shape.heads)
    writer.add_vision_attention_layernorm_eps(1e-6)
    writer.add_vision_image_mean([0.5, 0.5, 0.5])
    writer.add_vision_image_std([0.5, 0.5, 0.5])
    writer.add_vision_is_deepstack_layers([i in shape.deepstack for i in range(shape.layers)])
    write(writer, list(vision_tensors(shape, embedding, filling.kind)), filling.values)
