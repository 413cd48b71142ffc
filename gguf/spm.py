"""A SentencePiece vocabulary as Gemma has one: the merges of bpe.py, spelled as pieces with scores.

The earlier a merge was learned, the higher its piece scores, so joining by score does what joining by rank does.
"""

from gguf import TokenType

from bpe import SINGLE_TOKENS, Vocabulary, to_bytes

SPACE = "\u2581"

# The order is Gemma's: these four are 0 to 3.
FIRST = {
    "<pad>": TokenType.CONTROL,
    "<eos>": TokenType.CONTROL,
    "<bos>": TokenType.CONTROL,
    "<unk>": TokenType.UNKNOWN,
    "<start_of_turn>": TokenType.CONTROL,
    "<end_of_turn>": TokenType.CONTROL,
    "<start_of_image>": TokenType.CONTROL,
    "<end_of_image>": TokenType.CONTROL,
    "<image_soft_token>": TokenType.CONTROL,
    # Runs of newlines are tokens of their own in Gemma, which split the text before anything is joined.
    "\n": TokenType.USER_DEFINED,
    "\n\n": TokenType.USER_DEFINED,
}
CHARACTERS = [SPACE] + [chr(code) for code in range(0x21, 0x7F)]


def spelled(token: str) -> str | None:
    """A token of bpe.py as a piece; None if it has no place among these (half a character, a newline)."""
    text = to_bytes(token).decode("ascii", errors="replace")
    return text.replace(" ", SPACE) if text.isascii() and text.isprintable() else None


class Pieces:
    """Pieces with types and scores. Ids: Gemma's special ones, 256 bytes, characters, joined pieces."""

    def __init__(self, vocabulary: Vocabulary):
        joined = (spelled(left + right) for left, right in vocabulary.merges)
        ordinary = list(dict.fromkeys([*CHARACTERS, *filter(None, joined)]))
        bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
        self.tokens = [*FIRST, *bytes_, *ordinary]
        self.types = [*FIRST.values()] + [TokenType.BYTE] * len(bytes_) + [TokenType.NORMAL] * len(ordinary)
        self.scores = [0.0] * (len(FIRST) + len(bytes_)) + [-float(rank) for rank in range(len(ordinary))]
        self.ids = {token: index for index, token in enumerate(self.tokens)}
        missing = [text for text in SINGLE_TOKENS if text.replace(" ", SPACE) not in self.ids]
        if missing:
            raise ValueError(f"not single tokens: {missing}")
