"""Writes GGUF files of the architectures of Qwen3.5 and later. Knows keys, tensor names and shapes; not what the weights are.

Of every `interval` layers only the last attends; the others keep a state. Tensor shapes are in numpy order (rows first),
the reverse of what llama.cpp prints.
"""

from collections.abc import Iterator
from pathlib import Path

from gguf import GGUFWriter

from container import F32, Filling, Kind, Tensor, Tokenizer, general, vocabulary, write
from shapes import HybridShape


def text_tensors(shape: HybridShape, rows: int, kind: Kind) -> Iterator[Tensor]:
    """Tensors of the language model with `rows` tokens, in file order."""
    n = shape.embedding

    def matrix(name: str, *dims: int) -> Tensor:
        return Tensor(f"{name}.weight", dims, kind(name, dims))

    def vector(name: str, *dims: int) -> Tensor:
        return Tensor(name, dims, F32)

    def attention(block: str) -> Iterator[Tensor]:
        queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
        # Queries and, as wide, the gates of what the heads gather.
        yield matrix(f"{block}.attn_q", 2 * queries, n)
        yield matrix(f"{block}.attn_k", keys, n)
        yield matrix(f"{block}.attn_v", keys, n)
        yield matrix(f"{block}.attn_output", n, queries)
        yield vector(f"{block}.attn_q_norm.weight", shape.head_dim)
        yield vector(f"{block}.attn_k_norm.weight", shape.head_dim)

    def recurrence(block: str) -> Iterator[Tensor]:
        values = shape.inner
        width = values + 2 * shape.groups * shape.state
        yield matrix(f"{block}.attn_qkv", width, n)
        yield matrix(f"{block}.attn_gate", values, n)
        yield vector(f"{block}.ssm_conv1d.weight", width, shape.kernel)
        yield vector(f"{block}.ssm_dt.bias", shape.value_heads)
        yield vector(f"{block}.ssm_a", shape.value_heads)
        yield matrix(f"{block}.ssm_beta", shape.value_heads, n)
        yield matrix(f"{block}.ssm_alpha", shape.value_heads, n)
        yield vector(f"{block}.ssm_norm.weight", shape.state)
        yield matrix(f"{block}.ssm_out", n, values)

    def feed_forward(block: str) -> Iterator[Tensor]:
        ff = shape.feed_forward
        if shape.experts:
            yield vector(f"{block}.ffn_gate_inp.weight", shape.experts, n)
            yield matrix(f"{block}.ffn_gate_exps", shape.experts, ff, n)
            yield matrix(f"{block}.ffn_up_exps", shape.experts, ff, n)
            yield matrix(f"{block}.ffn_down_exps", shape.experts, n, ff)
            yield vector(f"{block}.ffn_gate_inp_shexp.weight", n)
        shared = "_shexp" if shape.experts else ""
        yield matrix(f"{block}.ffn_gate{shared}", ff, n)
        yield matrix(f"{block}.ffn_up{shared}", ff, n)
        yield matrix(f"{block}.ffn_down{shared}", n, ff)

    yield matrix("token_embd", rows, n)
    yield vector("output_norm.weight", n)
    if not shape.tied:
        yield matrix("output", rows, n)
    for i in range(shape.layers + shape.guessing):
        block = f"blk.{i}"
        yield vector(f"{block}.attn_norm.weight", n)
        yield vector(f"{block}.post_attention_norm.weight", n)
        yield from (attention if shape.attends(i) else recurrence)(block)
        yield from feed_forward(block)
        if i >= shape.layers:
            yield matrix(f"{block}.nextn.eh_proj", n, 2 * n)
            yield vector(f"{block}.nextn.enorm.weight", n)
            yield vector(f"{block}.nextn.hnorm.weight", n)


def write_text(path: Path, shape: HybridShape, tokenizer: Tokenizer, filling: Filling) -> None:
    rows = max(shape.vocabulary, len(tokenizer.vocabulary.tokens))
    writer = GGUFWriter(path, shape.architecture)
    general(writer, "model", filling)
    writer.add_block_count(shape.layers + shape.guessing)
    if shape.guessing:
        writer.add_nextn_predict_layers(shape.guessing)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.embedding)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head_dim)
    writer.add_value_length(shape.head_dim)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(1e7)
    writer.add_rope_dimension_count(2 * sum(shape.rope_sections))
    writer.add_rope_dimension_sections(shape.rope_sections)
    writer.add_ssm_conv_kernel(shape.kernel)
    writer.add_ssm_inner_size(shape.inner)
    writer.add_ssm_state_size(shape.state)
    writer.add_ssm_time_step_rank(shape.value_heads)
    writer.add_ssm_group_count(shape.groups)
    writer.add_full_attention_interval(shape.interval)
    writer.add_vocab_size(rows)
    if shape.experts:
        writer.add_expert_count(shape.experts)
        writer.add_expert_used_count(shape.experts_used)
        writer.add_expert_feed_forward_length(shape.feed_forward)
        writer.add_expert_shared_feed_forward_length(shape.feed_forward)
    else:
        writer.add_feed_forward_length(shape.feed_forward)
    vocabulary(writer, tokenizer, rows)
    write(writer, list(text_tensors(shape, rows, filling.kind)), filling.values)
