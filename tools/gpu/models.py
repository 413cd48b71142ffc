"""The model files that are measured: written here, with random weights in the shapes of published models."""

import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
MAKER = ROOT / "gguf" / "make_random.py"
QUANTISATION = "q4_k_m"


@dataclass(frozen=True)
class Files:
    model: Path
    mmproj: Path


@dataclass(frozen=True)
class Weights:
    """Bytes that one decoding step reads."""

    layers: int
    dense: int  # by every step
    experts: int  # all of them
    share: float  # of the experts that one token uses

    def read_by(self, sequences: int) -> float:
        """With random routing so many sequences together use so much of the experts."""
        return self.dense + self.experts * (1 - (1 - self.share) ** sequences)


def make(size: str, layers: int | None, out: Path) -> subprocess.Popen:
    command = [sys.executable, str(MAKER), "--size", size, "--quant", QUANTISATION, "--no-sums", "--out", str(out)]
    if layers:
        command += ["--layers", str(layers)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)


def files(size: str, out: Path) -> Files:
    return Files(out / f"random-{size}-{QUANTISATION}.gguf", out / f"random-{size}-mmproj-f16.gguf")


def room_needed(size: str, layers: int | None) -> int:
    """Bytes on the disk, roughly: the projector in F16 is less than 2 GiB."""
    weights = weights_of(size, layers)
    return 2 * weights.dense + weights.experts + (2 << 30)


def weights_of(size: str, layers: int | None) -> Weights:
    sys.path.insert(0, str(MAKER.parent))
    from gguf.quants import quant_shape_to_byte_shape

    import container
    import make_random
    from shapes import SIZES

    text, vision = SIZES[size]
    if layers:
        text = replace(text, layers=layers)
    dense = experts = 0
    for tensor in container.text_tensors(text, text.vocabulary, make_random.kinds(QUANTISATION, text.layers)):
        count = 1
        for dimension in quant_shape_to_byte_shape(tensor.shape, tensor.kind):
            count *= dimension
        if "_exps" in tensor.name:
            experts += count
        elif tensor.name != "token_embd.weight" or text.tied:
            # Of the embeddings a step reads a row a token, unless they are the output too.
            dense += count
    share = text.experts_used / text.experts if text.experts else 0.0
    return Weights(text.layers, dense, experts, share)
