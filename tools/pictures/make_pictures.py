"""Draws the floor bank, and the files for tests of the decoder.

    pip install -r tools/pictures/requirements.txt
    python tools/pictures/make_pictures.py

Writes the floor bank (crates/judge/src/bank) and the files that the decoder's tests need and the image crate
cannot write (tests/fixtures/pictures). The drawing is seeded: with the pinned versions the files come out
the same. The pictures of the examples are scenes (examples/pictures/README.md).
"""

from pathlib import Path

from PIL import Image

import bank

ROOT = Path(__file__).resolve().parents[2]
MAX_BANK_BYTES = 40_000


def main():
    write_bank(ROOT / "crates/judge/src/bank")
    write_fixtures(ROOT / "tests/fixtures/pictures")


def write_bank(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in bank.PICTURES.items():
        path = folder / f"{name}.jpg"
        draw().save(path, quality=80, optimize=True)
        size = path.stat().st_size
        if size > MAX_BANK_BYTES:
            raise SystemExit(f"{path} has {size} bytes, more than {MAX_BANK_BYTES}")
        print(path.relative_to(ROOT), size)


def write_fixtures(folder):
    """Small files: red left half, blue right half."""
    folder.mkdir(parents=True, exist_ok=True)
    halves = Image.new("RGB", (32, 16), (220, 30, 30))
    halves.paste((30, 30, 220), (16, 0, 32, 16))
    halves.convert("CMYK").save(folder / "cmyk.jpg", quality=95)
    halves.save(folder / "progressive.jpg", quality=95, progressive=True)
    grey = Image.new("RGB", (32, 16), (90, 90, 90))
    for name in ("animated.webp", "animated.gif", "animated.png"):
        lossless = {"lossless": True} if name.endswith("webp") else {}
        halves.save(folder / name, save_all=True, append_images=[grey], duration=100, **lossless)
    for name in ("still.webp", "lossy.webp"):
        halves.save(folder / name, lossless=name == "still.webp", quality=95)
    halves.convert("P").save(folder / "palette.gif")
    # Orientation 6: the stored picture has to be turned 90 degrees clockwise to be upright.
    exif = Image.Exif()
    exif[0x0112] = 6
    halves.save(folder / "turned.jpg", quality=95, exif=exif)
    halves.save(folder / "turned.png", exif=exif)


if __name__ == "__main__":
    main()
