"""The floor bank: four pictures unlike each other and unlike what people calibrate against."""

import numpy as np
from PIL import ImageFont

from brush import Canvas, rgb, ridge

SIDE = 320


def mountain_lake():
    """A clear morning: snowy ridges and their reflection in a lake."""
    canvas = Canvas(SIDE, SIDE, 31)
    canvas.paint(canvas.vertical([(0, rgb("3f7fc4")), (0.35, rgb("a9d3ee")), (0.58, rgb("f4ead2"))]))
    canvas.glow(rgb("fff4cc"), np.exp(-(np.hypot(canvas.x - 0.24, canvas.y - 0.17) / 0.13) ** 2), 0.9)
    canvas.paint(rgb("fffbe8"), canvas.ellipse(0.24, 0.17, 0.045, 0.045, 0.002))
    clouds = np.clip((canvas.noise(3, 8, 5) - 0.52) * 6, 0, 1) * np.clip(1 - canvas.y / 0.4, 0, 1)
    canvas.paint(rgb("ffffff"), clouds, 0.8)
    rng = np.random.default_rng(4)
    shore = 0.60
    for base, height, rock, snow in ((shore, 0.42, "6f86a6", 0.36), (shore, 0.27, "4a6478", 0.44)):
        points = ridge(rng, -0.02, 1.02, base, height, steps=7)
        mask = canvas.polygon(points + [(1.02, shore), (-0.02, shore)], 0.001)
        folds = canvas.noise(16, 10, 4)
        canvas.paint(rgb(rock) * (0.65 + 0.7 * folds)[..., None], mask)
        white = np.clip((snow - canvas.y + 0.10 * (folds - 0.5)) * 30, 0, 1)
        canvas.paint(rgb("f2f6fb") * (0.75 + 0.35 * folds)[..., None], mask * white, 0.9)
    for x in np.arange(-0.02, 1.04, 0.021):
        top = shore - rng.uniform(0.035, 0.075) * (1.4 - abs(x - 0.5))
        tree = canvas.polygon([(x - 0.014, shore + 0.004), (x, top), (x + 0.014, shore + 0.004)], 0.001)
        canvas.paint(rgb("1f4436") * rng.uniform(0.7, 1.2), tree)
    line = int(shore * canvas.w)
    depth = canvas.h - line
    mirrored = canvas.pixels[line - depth : line][::-1]
    rows = np.arange(depth)
    ripple = (np.sin(rows / 5.0) * rows / depth * 7).round().astype(int)
    water = np.stack([np.roll(row, shift, axis=0) for row, shift in zip(mirrored, ripple)])
    canvas.pixels[line:] = water * 0.72 + rgb("1d4a63") * 0.22
    canvas.shade(canvas.line([(0, shore + 0.003), (1, shore + 0.003)], 0.006, 0.002), 0.4)
    return canvas.finish(grain=0.004)


def still_life():
    """A ball, a cone and a cylinder on a table, lit from the left."""
    canvas = Canvas(SIDE, SIDE, 32)
    canvas.paint(canvas.vertical([(0, rgb("3d2f45")), (0.62, rgb("7a5a6d"))]))
    canvas.glow(rgb("ffe7c2"), np.exp(-(np.hypot(canvas.x - 0.15, canvas.y - 0.20) / 0.45) ** 2), 0.35)
    grain = np.sin((canvas.y * 55 + 5 * canvas.noise(3, 14, 4)) * 2)
    table = canvas.polygon([(-0.1, 0.60), (1.1, 0.60), (1.1, 1.1), (-0.1, 1.1)], 0.002)
    canvas.paint(rgb("a5713f") * (0.88 + 0.10 * grain + 0.25 * (canvas.y - 0.6))[..., None], table)
    for x, y, rx in ((0.40, 0.80, 0.20), (0.76, 0.71, 0.20), (0.66, 0.89, 0.13)):
        canvas.shade(canvas.ellipse(x + 0.08, y + 0.005, rx, rx * 0.22, 0.018), 0.55)
    across = (canvas.x - 0.62) / 0.20
    side = canvas.polygon([(0.62, 0.34), (0.82, 0.34), (0.82, 0.71), (0.62, 0.71)], 0.001)
    body = np.maximum(side, canvas.ellipse(0.72, 0.71, 0.10, 0.028, 0.001))
    shine = 0.35 + 0.9 * np.exp(-(((across - 0.28) / 0.30) ** 2))
    canvas.paint(rgb("3f8f86") * shine[..., None], body)
    canvas.paint(rgb("67b3a8"), canvas.ellipse(0.72, 0.34, 0.10, 0.028, 0.001))
    canvas.paint(rgb("1d4a46"), canvas.ellipse(0.72, 0.343, 0.082, 0.020, 0.001))
    cone = np.maximum(canvas.polygon([(0.60, 0.62), (0.51, 0.885), (0.69, 0.885)], 0.001), canvas.ellipse(0.60, 0.885, 0.09, 0.022, 0.001))
    spread = (canvas.x - 0.60) / np.clip((canvas.y - 0.61) * 0.34, 0.004, None)
    canvas.paint(rgb("e8c33f") * np.clip(0.95 - 0.55 * spread, 0.3, 1.3)[..., None], cone)
    x, y, r = 0.34, 0.64, 0.185
    dx, dy = (canvas.x - x) / r, (canvas.y - y) / r
    dz = np.sqrt(np.clip(1 - dx**2 - dy**2, 0, None))
    light = np.clip(-0.55 * dx - 0.60 * dy + 0.58 * dz, 0, 1)
    ball = canvas.ellipse(x, y, r, r, 0.001)
    canvas.paint(rgb("c9452f") * (0.16 + 0.95 * light)[..., None], ball)
    canvas.glow(rgb("a5713f"), ball * np.clip(dy - 0.35, 0, 1), 0.35)
    canvas.glow(rgb("ffffff"), ball * light**28, 0.85)
    return canvas.finish(grain=0.006)


def weave():
    """An abstract pattern: bent stripes over a checkerboard, in flat colours."""
    canvas = Canvas(SIDE, SIDE, 33)
    bend = 0.025 * np.sin(canvas.y * 9) + 0.03 * np.sin(canvas.x * 6 + 1)
    u, v = canvas.x + bend, canvas.y + 0.03 * np.sin(canvas.x * 11)
    checker = (np.floor(u * 9) + np.floor(v * 9)) % 2
    canvas.paint(rgb("111318"))
    canvas.paint(rgb("f4f1e6"), checker)
    diagonal = (u + v) * 7 % 1
    for low, color in ((0.0, "ff3d7f"), (0.14, "00b3a4"), (0.28, "ffcf33")):
        stripe = ((diagonal > low) & (diagonal < low + 0.11)).astype(float)
        under = ((np.floor(u * 9) + np.floor(v * 4.5)) % 2).astype(bool)
        canvas.paint(rgb(color), stripe * np.where(under, 1.0, 0.0))
    rings = np.hypot(canvas.x - 0.68, canvas.y - 0.34)
    inside = (rings < 0.20).astype(float)
    canvas.paint(rgb("2b3bd6"), inside)
    canvas.paint(rgb("f4f1e6"), inside * ((rings * 42 % 2) > 1))
    return canvas.finish(grain=0.0, vignette=0.05)


def page():
    """A printed page: heading, columns of text, a bar chart."""
    canvas = Canvas(SIDE, SIDE, 34)
    canvas.paint(rgb("f6f3ea") * (0.985 + 0.03 * canvas.noise(40, 40, 3))[..., None])
    font = ImageFont.load_default(size=canvas.w // 17)
    heading = canvas.mask(lambda d, s: d.text((0.08 * s, 0.07 * s), "Annual Review, Part 4", font=font, fill=255))
    canvas.paint(rgb("1c2430"), heading)
    canvas.paint(rgb("8a1c1c"), canvas.line([(0.08, 0.165), (0.92, 0.165)], 0.006))
    rng = np.random.default_rng(9)
    words = "the of and a to in is that by was for on are with as at from which report value year total rate part trend".split()
    small = ImageFont.load_default(size=canvas.w // 42)

    def column(left, width, top, lines):
        def draw_shape(d, s):
            for i in range(lines):
                text = ""
                while True:
                    longer = (text + " " + words[rng.integers(len(words))]).strip()
                    if d.textlength(longer, font=small) > width * s:
                        break
                    text = longer
                if i == lines - 1:
                    text = text[: len(text) // 2] + "."
                d.text((left * s, (top + i * 0.035) * s), text, font=small, fill=255)

        return canvas.mask(draw_shape)

    canvas.paint(rgb("2c2f36"), column(0.08, 0.39, 0.20, 20))
    canvas.paint(rgb("2c2f36"), column(0.53, 0.39, 0.20, 8))
    canvas.paint(rgb("e7e2d2"), canvas.polygon([(0.53, 0.51), (0.92, 0.51), (0.92, 0.90), (0.53, 0.90)]))
    for i, value in enumerate((0.10, 0.16, 0.13, 0.22, 0.27, 0.31)):
        left = 0.56 + i * 0.057
        color = "8a1c1c" if i == 5 else "4a5d78"
        canvas.paint(rgb(color), canvas.polygon([(left, 0.87), (left, 0.87 - value), (left + 0.04, 0.87 - value), (left + 0.04, 0.87)]))
    canvas.paint(rgb("2c2f36"), canvas.line([(0.55, 0.872), (0.90, 0.872)], 0.004))
    return canvas.finish(grain=0.004, vignette=0.04)


PICTURES = {"mountain_lake": mountain_lake, "still_life": still_life, "weave": weave, "page": page}
