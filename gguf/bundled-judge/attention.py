"""Attention of samples over a system turn that they share and over themselves.

The system's keys are not repeated for each sample. torch's flash kernel for processors is fast forward but slow backward,
so backward is written out as matrix products, a few samples at a time to stay in the cache.
"""

import torch
from torch import Tensor

CHUNK = 8

_flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu


def _fold(x: Tensor) -> Tensor:
    """[B, heads, L, D] to [1, heads, B·L, D]; no copy where the memory is [B, L, heads, D]."""
    return x.transpose(0, 1).reshape(1, x.shape[1], -1, x.shape[3])


def _unfold(x: Tensor, samples: int) -> Tensor:
    """[1, heads, B·L, …] to [B, heads, L, …]."""
    return x[0].unflatten(1, (samples, -1)).transpose(0, 1)


def _gradients(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor, spread: Tensor, grad: Tensor, delta: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Of one block of keys, given the log-sum over all keys (`spread`) and rowsum(grad · out) (`delta`)."""
    scale = q.shape[-1] ** -0.5
    scores = (q @ k.mT).float() * scale + mask
    share = (scores - spread).exp()
    change = share * ((grad @ v.mT).float() - delta) * scale
    share, change = share.to(q.dtype), change.to(q.dtype)
    return change @ k, change.mT @ q, share.mT @ grad


class SharedAttention(torch.autograd.Function):
    """q, k, v [B, heads, L, D]; system_k, system_v [1, heads, S, D]; masks additive, [1, 1, 1, S] and [B, 1, L, L]."""

    @staticmethod
    def forward(ctx, q, k, v, system_k, system_v, mask, system_mask):
        own, own_spread = _flash(q, k, v, attn_mask=mask)
        whole = _fold(q)
        rows = system_mask.expand(1, 1, whole.shape[2], -1)
        shared, shared_spread = _flash(whole, system_k, system_v, attn_mask=rows)
        # The log-sums come as [B, heads, L], whatever the memory behind them.
        shared, shared_spread = _unfold(shared, len(q)), _unfold(shared_spread, len(q))
        spread = torch.logaddexp(own_spread, shared_spread)[..., None]
        parts = ((own, own_spread), (shared, shared_spread))
        out = sum(part.float() * (one[..., None] - spread).exp() for part, one in parts).to(q.dtype)
        ctx.save_for_backward(q, k, v, system_k, system_v, mask, system_mask, out, spread)
        return out

    @staticmethod
    def backward(ctx, grad):
        q, k, v, system_k, system_v, mask, system_mask, out, spread = ctx.saved_tensors
        delta = (grad.float() * out.float()).sum(-1, keepdim=True)
        pieces = []
        system_gradients = [torch.zeros_like(part, dtype=torch.float32) for part in (system_k, system_v)]
        for start in range(0, len(q), CHUNK):
            now = slice(start, start + CHUNK)
            own = _gradients(q[now], k[now], v[now], mask[now], spread[now], grad[now], delta[now])
            folded = [_fold(x[now]) for x in (spread, grad, delta)]
            shared = _gradients(_fold(q[now]), system_k, system_v, system_mask, *folded)
            pieces.append((own[0] + _unfold(shared[0], len(own[0])), own[1], own[2]))
            system_gradients = [total + part.float() for total, part in zip(system_gradients, shared[1:])]
        to_q, to_k, to_v = (torch.cat(parts) for parts in zip(*pieces))
        return to_q, to_k, to_v, *(part.to(q.dtype) for part in system_gradients), None, None


shared_attention = SharedAttention.apply
