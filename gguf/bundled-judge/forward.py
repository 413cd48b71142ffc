"""The forward of Qwen3-VL over transformers' parameters, written for training batches.

transformers' own forward takes pictures one by one and repeats the system turn in every sample. Here all pictures have
one size and go through in one piece, and the system turn runs once: the samples share its keys and values.
`parity.py` compares the two.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attention import shared_attention
from batches import Words
from config import GRID, PICTURE_TOKENS, TEXT, VISION

Rope = tuple[Tensor, Tensor]

# The layer behind which a score's position should know both pictures, with two layers left to compare them.
HALFWAY = 2


def _linear(x: Tensor, *modules: nn.Linear) -> Tensor:
    """One product for modules that read the same input, in the type of `x`."""
    weight = modules[0].weight if len(modules) == 1 else torch.cat([module.weight for module in modules])
    bias = modules[0].bias
    return F.linear(x, weight.to(x.dtype), None if bias is None else bias.to(x.dtype))


def _rms(x: Tensor, module: nn.Module) -> Tensor:
    x = x.float()
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + module.variance_epsilon) * module.weight


def _layer_norm(x: Tensor, module: nn.LayerNorm) -> Tensor:
    return F.layer_norm(x.float(), module.normalized_shape, module.weight, module.bias, module.eps)


def _rotate(x: Tensor, rope: Rope) -> Tensor:
    """`x` [B, L, heads, head_dim]; cosine and sine [B or 1, L, 1, head_dim/2]."""
    low, high = x.float().chunk(2, -1)
    cos, sin = rope
    return torch.cat((low * cos - high * sin, high * cos + low * sin), -1)


def _pick(x: Tensor, picked: Tensor) -> Tensor:
    """Rows `picked` [B, M] of `x` [B, L, …]."""
    index = picked.view(*picked.shape, *[1] * (x.dim() - 2)).expand(-1, -1, *x.shape[2:])
    return x.gather(1, index)


@dataclass(frozen=True)
class Looks:
    """Picture tokens: as the first layer sees them, and what is added after the first layers. All [I, 16, width]."""

    first: Tensor
    deep: list[Tensor]


class Eyes:
    """The vision tower."""

    def __init__(self, visual: nn.Module, dtype: torch.dtype):
        self.visual = visual
        self.dtype = dtype
        place = torch.arange(GRID * GRID).view(GRID // 2, 2, GRID // 2, 2).transpose(1, 2).flatten()
        frequencies = visual.rot_pos_emb(torch.tensor([[1, GRID, GRID]]))[None, :, None]
        self.place = place
        self.rope: Rope = (frequencies.cos(), frequencies.sin())

    def __call__(self, pixels: Tensor) -> Looks:
        visual = self.visual
        size, blocks = VISION.patch, GRID // 2
        x = pixels.view(-1, blocks, 2, size, blocks, 2, size, 3).permute(0, 1, 4, 2, 5, 7, 3, 6)
        x = x.reshape(len(pixels), GRID * GRID, 3 * size * size).to(self.dtype) / 127.5 - 1
        projection = visual.patch_embed.proj
        # A still picture goes through both halves of the convolution over two frames.
        kernel = projection.weight.sum(2).flatten(1)
        x = F.linear(x, kernel.to(x.dtype), projection.bias.to(x.dtype))
        x = x.float() + visual.pos_embed.weight[self.place]
        deep = []
        for index, block in enumerate(visual.blocks):
            x = self._block(block, x)
            if index in VISION.deepstack:
                merger = visual.deepstack_merger_list[VISION.deepstack.index(index)]
                deep.append(self._merge(merger, _layer_norm(self._grouped(x), merger.norm)))
        return Looks(self._merge(visual.merger, self._grouped(_layer_norm(x, visual.merger.norm))), deep)

    @staticmethod
    def _grouped(x: Tensor) -> Tensor:
        return x.reshape(len(x), PICTURE_TOKENS, -1)

    def _block(self, block: nn.Module, x: Tensor) -> Tensor:
        attention = block.attn
        qkv = _linear(_layer_norm(x, block.norm1).to(self.dtype), attention.qkv)
        q, k, v = qkv.view(*x.shape[:2], 3, VISION.heads, -1).unbind(2)
        q, k = (_rotate(part, self.rope).to(self.dtype) for part in (q, k))
        out = F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
        x = x + _linear(out.transpose(1, 2).reshape(x.shape), attention.proj)
        inner = _linear(_layer_norm(x, block.norm2).to(self.dtype), block.mlp.linear_fc1)
        return x + _linear(F.gelu(inner, approximate="tanh"), block.mlp.linear_fc2)

    def _merge(self, merger: nn.Module, x: Tensor) -> Tensor:
        return _linear(F.gelu(_linear(x.to(self.dtype), merger.linear_fc1)), merger.linear_fc2)


class Reader:
    """The language model, up to the hidden states at the picked positions."""

    def __init__(self, language: nn.Module, dtype: torch.dtype):
        self.language = language
        self.dtype = dtype

    @torch.no_grad()
    def rope(self, positions: Tensor) -> Rope:
        cos, sin = self.language.rotary_emb(torch.empty(0), positions)
        half = TEXT.head_dim // 2
        return cos[..., None, :half].contiguous(), sin[..., None, :half].contiguous()

    def ropes(self, words: Words) -> tuple[Rope, Rope]:
        """For the system turn and for what follows it."""
        system = torch.arange(len(words.system)).view(1, 1, -1).expand(3, 1, -1)
        return self.rope(system), self.rope(words.positions)

    def __call__(self, words: Words, looks: Looks, ropes: tuple[Rope, Rope]) -> tuple[Tensor, Tensor]:
        """Hidden states at the picked positions: behind the last layer, and behind layer `HALFWAY`."""
        language, layers = self.language, self.language.layers
        table = language.embed_tokens.weight
        width = table.shape[1]
        system = F.embedding(words.system, table)[None]
        x = F.embedding(words.source, torch.cat([table, looks.first.reshape(-1, width).float()]))
        for index, layer in enumerate(layers):
            last = index == len(layers) - 1
            system, shared = self._layer(layer, system, ropes[0], None, keys_only=last)
            x, _ = self._layer(layer, x, ropes[1], (*shared, words), words.picked if last else None)
            if index == HALFWAY:
                halfway = _pick(x, words.picked)
            if index < len(looks.deep):
                nothing = torch.zeros(1, width, dtype=self.dtype)
                x = x + F.embedding(words.slot, torch.cat([nothing, looks.deep[index].reshape(-1, width)]))
        return _rms(x, language.norm).to(self.dtype), halfway

    def _layer(
        self,
        layer: nn.Module,
        x: Tensor,
        rope: Rope,
        before: tuple[Tensor, Tensor, Words] | None,
        picked: Tensor | None = None,
        keys_only: bool = False,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """One layer, and its keys and values. With `picked` its result is for these positions only.

        `before`: the system turn's keys and values, and the masks; without it, `x` is the system turn.
        """
        attention, mlp = layer.self_attn, layer.mlp
        heads = (-1, TEXT.head_dim)
        normed = _rms(x, layer.input_layernorm).to(self.dtype)
        k, v = _linear(normed, attention.k_proj, attention.v_proj).unflatten(-1, (2, *heads)).unbind(-3)
        k = _rotate(_rms(k, attention.k_norm), rope).to(self.dtype).transpose(1, 2)
        own = (k, v.transpose(1, 2))
        if keys_only:
            return x, own
        mask = None if before is None else before[2].mask
        if picked is not None:
            x, normed, mask = _pick(x, picked), _pick(normed, picked), _pick(mask[:, 0], picked)[:, None]
            rope = (_pick(rope[0], picked), _pick(rope[1], picked))
        q = _linear(normed, attention.q_proj).unflatten(-1, heads)
        q = _rotate(_rms(q, attention.q_norm), rope).to(self.dtype).transpose(1, 2)
        if before is None:
            out = F.scaled_dot_product_attention(q, *own, is_causal=True)
        else:
            out = shared_attention(q, *own, *before[:2], mask, before[2].system_mask)
        x = x + _linear(out.transpose(1, 2).flatten(2), attention.o_proj)
        normed = _rms(x, layer.post_attention_layernorm).to(self.dtype)
        gate, up = _linear(normed, mlp.gate_proj, mlp.up_proj).chunk(2, -1)
        return x + _linear(F.silu(gate) * up, mlp.down_proj), own
