"""What the bundled judge is: its dimensions, its vocabulary and its weights before training.

The dimensions are those of `shapes.py` in the folder above, so that what is trained and what is written to GGUF
cannot drift apart.
"""

import math
import sys
from functools import cache
from pathlib import Path

import torch
from torch import nn
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from bpe import Vocabulary  # noqa: E402  (needs the path above)
from container import Tokenizer  # noqa: E402
from shapes import TextShape, VisionShape  # noqa: E402

TEXT = TextShape(192, 5, 3, 3, 64, 512, tied=True, context=32768)
VISION = VisionShape(128, 3, 2, 384, (0, 1), image_size=128)
GRID = VISION.image_size // VISION.patch
PICTURE_TOKENS = (GRID // VISION.merge) ** 2
MERGES = 4000
SEED = 7


@cache
def tokenizer() -> Tokenizer:
    texts = [(folder / "vocabulary.txt").read_text(encoding="utf-8") for folder in (HERE.parent, HERE)]
    template = (HERE.parent / "chat_template.jinja").read_text(encoding="utf-8")
    return Tokenizer(Vocabulary("\n".join(texts), MERGES), template.strip())


def model_config() -> Qwen3VLConfig:
    ids = tokenizer().vocabulary.ids
    text = {
        "vocab_size": len(ids),
        "hidden_size": TEXT.embedding,
        "intermediate_size": TEXT.feed_forward,
        "num_hidden_layers": TEXT.layers,
        "num_attention_heads": TEXT.heads,
        "num_key_value_heads": TEXT.kv_heads,
        "head_dim": TEXT.head_dim,
        "max_position_embeddings": TEXT.context,
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": True,
        "rope_theta": TEXT.rope_base,
        "rope_scaling": {
            "rope_type": "default",
            "mrope_section": TEXT.rope_sections[:3],
            "mrope_interleaved": True,
        },
    }
    vision = {
        "depth": VISION.layers,
        "hidden_size": VISION.width,
        "intermediate_size": VISION.feed_forward,
        "num_heads": VISION.heads,
        "patch_size": VISION.patch,
        "spatial_merge_size": VISION.merge,
        "temporal_patch_size": 2,
        "out_hidden_size": TEXT.embedding,
        "num_position_embeddings": VISION.positions,
        "deepstack_visual_indexes": list(VISION.deepstack),
    }
    return Qwen3VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
    )


@torch.no_grad()
def _initialise(model: nn.Module, seed: int) -> None:
    """Fan-in scaling: transformers' 0.02 suits models ten times as wide. Branches of the residual start small.

    Embeddings start large enough to stay visible beside them; the last norm keeps the first logits small all the same.
    """
    random = torch.Generator().manual_seed(seed)
    outputs = (".o_proj", ".down_proj", ".attn.proj", ".mlp.linear_fc2")
    for name, module in model.named_modules():
        if isinstance(module, (nn.Linear, nn.Conv3d)) and name != "lm_head":
            weight = module.weight
            depth = VISION.layers if "visual" in name else TEXT.layers
            shrink = math.sqrt(2 * depth) if name.endswith(outputs) else 1
            weight.normal_(0, 1 / (shrink * math.sqrt(weight[0].numel())), generator=random)
        elif isinstance(module, nn.Embedding):
            module.weight.normal_(0, 0.1, generator=random)
    model.model.language_model.norm.weight.fill_(0.25)


def build(seed: int = SEED) -> Qwen3VLForConditionalGeneration:
    """The model with untrained weights; the same ones for the same seed."""
    model = Qwen3VLForConditionalGeneration(model_config())
    _initialise(model, seed)
    return model
