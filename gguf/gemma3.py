"""Writes GGUF files of the Gemma 3 architecture. Knows keys, tensor names and shapes; not what the weights are.

Tensor shapes are in numpy order (rows first), the reverse of what llama.cpp prints.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gguf import GGMLQuantizationType, GGUFWriter

from container import F32, Filling, Kind, Tensor, general, write
from shapes import GemmaShape, VisionShape
from spm import Pieces

F16 = GGMLQuantizationType.F16


@dataclass(frozen=True)
class Tokenizer:
    pieces: Pieces
    template: str


def text_tensors(shape: GemmaShape, rows: int, kind: Kind) -> Iterator[Tensor]:
    """Tensors of the language model with `rows` tokens, in file order. Its output is its embedding, transposed."""
    n, head, ff = shape.embedding, shape.head_dim, shape.feed_forward
    queries, keys = shape.heads * head, shape.kv_heads * head

    def matrix(name: str, *dims: int) -> Tensor:
        return Tensor(f"{name}.weight", dims, kind(name, dims))

    def norm(name: str, width: int) -> Tensor:
        return Tensor(f"{name}.weight", (width,), F32)

    yield matrix("token_embd", rows, n)
    yield norm("output_norm", n)
    for i in range(shape.layers):
        block = f"blk.{i}"
        yield norm(f"{block}.attn_norm", n)
        yield matrix(f"{block}.attn_q", queries, n)
        yield matrix(f"{block}.attn_k", keys, n)
        yield matrix(f"{block}.attn_v", keys, n)
        yield matrix(f"{block}.attn_output", n, queries)
        yield norm(f"{block}.attn_q_norm", head)
        yield norm(f"{block}.attn_k_norm", head)
        yield norm(f"{block}.post_attention_norm", n)
        yield norm(f"{block}.ffn_norm", n)
        yield matrix(f"{block}.ffn_gate", ff, n)
        yield matrix(f"{block}.ffn_up", ff, n)
        yield matrix(f"{block}.ffn_down", n, ff)
        yield norm(f"{block}.post_ffw_norm", n)


def vision_tensors(shape: VisionShape, embedding: int, kind: Kind) -> Iterator[Tensor]:
    """Tensors of the picture encoder (SigLIP) and its projector, in file order."""
    width, ff = shape.width, shape.feed_forward
    if ff == width:
        # llama.cpp takes square ones for an old mistake in naming, and swaps them.
        raise ValueError("feed_forward must differ from width")

    def linear(name: str, rows: int, columns: int) -> Iterator[Tensor]:
        yield Tensor(f"{name}.weight", (rows, columns), kind(name, (rows, columns)))
        yield Tensor(f"{name}.bias", (rows,), F32)

    def norm(name: str, size: int) -> Iterator[Tensor]:
        yield Tensor(f"{name}.weight", (size,), F32)
        yield Tensor(f"{name}.bias", (size,), F32)

    yield Tensor("v.patch_embd.weight", (width, 3, shape.patch, shape.patch), F16)
    yield Tensor("v.patch_embd.bias", (width,), F32)
    yield Tensor("v.position_embd.weight", (shape.positions, width), F32)
    for i in range(shape.layers):
        block = f"v.blk.{i}"
        yield from norm(f"{block}.ln1", width)
        yield from linear(f"{block}.attn_q", width, width)
        yield from linear(f"{block}.attn_k", width, width)
        yield from linear(f"{block}.attn_v", width, width)
        yield from linear(f"{block}.attn_out", width, width)
        yield from norm(f"{block}.ln2", width)
        yield from linear(f"{block}.ffn_up", ff, width)
        yield from linear(f"{block}.ffn_down", width, ff)
    yield from norm("v.post_ln", width)
    yield Tensor("mm.soft_emb_norm.weight", (width,), F32)
    # Rows are what comes in, here alone; llama.cpp turns it at run time, which it cannot do with blocks of weights.
    yield Tensor("mm.input_projection.weight", (width, embedding), F16)


def _tokenizer(writer: GGUFWriter, tokenizer: Tokenizer) -> None:
    pieces = tokenizer.pieces
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(pieces.tokens)
    writer.add_token_scores(pieces.scores)
    writer.add_token_types(pieces.types)
    writer.add_bos_token_id(pieces.ids["<bos>"])
    writer.add_eos_token_id(pieces.ids["<eos>"])
    writer.add_unk_token_id(pieces.ids["<unk>"])
    writer.add_pad_token_id(pieces.ids["<pad>"])
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(tokenizer.template)


def write_text(path: Path, shape: GemmaShape, tokenizer: Tokenizer, filling: Filling) -> None:
    rows = len(tokenizer.pieces.tokens)
    writer = GGUFWriter(path, "gemma3")
    general(writer, "model", filling)
    writer.add_block_count(shape.layers)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.embedding)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head_dim)
    writer.add_value_length(shape.head_dim)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_sliding_window(shape.window)
    writer.add_sliding_window_pattern(shape.pattern)
    writer.add_vocab_size(rows)
    _tokenizer(writer, tokenizer)
    write(writer, list(text_tensors(shape, rows, filling.kind)), filling.values)


def write_vision(path: Path, shape: VisionShape, embedding: int, filling: Filling) -> None:
    writer = GGUFWriter(path, "clip")
    general(writer, "mmproj", filling)
    writer.add_clip_has_vision_encoder(True)
    writer.add_clip_projector_type("gemma3")
    writer.add_vision_use_gelu(True)
    writer.add_vision_projection_dim(embedding)
    writer.add_vision_image_size(shape.image_size)
    writer.add_vision_patch_size(shape.patch)
    writer.add_vision_projector_scale_factor(shape.merge)
    writer.add_vision_embedding_length(shape.width)
    writer.add_vision_feed_forward_length(shape.feed_forward)
    writer.add_vision_block_count(shape.layers)
    writer.add_vision_head_count(shape.heads)
    writer.add_vision_attention_layernorm_eps(1e-6)
    writer.add_vision_image_mean([0.5, 0.5, 0.5])
    writer.add_vision_image_std([0.5, 0.5, 0.5])
    write(writer, list(vision_tensors(shape, embedding, filling.kind)), filling.values)
