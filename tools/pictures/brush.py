"""Drawing helpers: float canvases, masks, noise, light. Coordinates are fractions of the width."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SUPERSAMPLING = 2


class Canvas:
    """An RGB picture in floats (0 to 1) that is painted through soft masks."""

    def __init__(self, width, height, seed):
        self.size = (width, height)
        self.w, self.h = width * SUPERSAMPLING, height * SUPERSAMPLING
        self.pixels = np.zeros((self.h, self.w, 3))
        self.rng = np.random.default_rng(seed)
        rows, columns = np.mgrid[0 : self.h, 0 : self.w]
        self.x, self.y = (columns + 0.5) / self.w, (rows + 0.5) / self.w

    @property
    def bottom(self):
        """The y of the lower edge, in widths."""
        return self.h / self.w

    def mask(self, draw_shape, blur=0.0):
        """A mask from `draw_shape(draw, scale)`, blurred by `blur` (a fraction of the width)."""
        image = Image.new("L", (self.w, self.h))
        draw_shape(ImageDraw.Draw(image), self.w)
        if blur:
            image = image.filter(ImageFilter.GaussianBlur(blur * self.w))
        return np.asarray(image, dtype=float) / 255

    def polygon(self, points, blur=0.0):
        return self.mask(lambda d, s: d.polygon([(x * s, y * s) for x, y in points], fill=255), blur)

    def ellipse(self, x, y, rx, ry, blur=0.0):
        box = (x - rx, y - ry, x + rx, y + ry)
        return self.mask(lambda d, s: d.ellipse([v * s for v in box], fill=255), blur)

    def line(self, points, width, blur=0.0):
        def draw_shape(d, s):
            d.line([(x * s, y * s) for x, y in points], fill=255, width=round(width * s), joint="curve")
            for x, y in (points[0], points[-1]):
                r = width / 2
                d.ellipse([(x - r) * s, (y - r) * s, (x + r) * s, (y + r) * s], fill=255)

        return self.mask(draw_shape, blur)

    def paint(self, color, mask=1.0, opacity=1.0):
        """Covers with a colour (a triple, or a picture of the canvas's size)."""
        alpha = np.broadcast_to(np.asarray(mask) * opacity, (self.h, self.w))[..., None]
        self.pixels += (np.asarray(color) - self.pixels) * alpha

    def glow(self, color, mask, strength=1.0):
        """Adds light (screen), so that bright places do not clip."""
        light = np.asarray(color) * np.asarray(mask)[..., None] * strength
        self.pixels = 1 - (1 - self.pixels) * (1 - np.clip(light, 0, 1))

    def shade(self, mask, amount):
        """Darkens under a mask; `amount` 1 is black."""
        self.pixels *= 1 - np.asarray(mask)[..., None] * amount

    def vertical(self, stops):
        """A vertical gradient from `(y, color)` stops."""
        ys = [y for y, _ in stops]
        channels = [np.interp(self.y, ys, [c[i] for _, c in stops]) for i in range(3)]
        return np.stack(channels, axis=-1)

    def noise(self, cells_x, cells_y, octaves=4):
        """Smooth noise, 0 to 1: `cells_x` × `cells_y` blobs in the first octave."""
        total, weight = np.zeros((self.h, self.w)), 0.0
        for octave in range(octaves):
            shape = (max(2, cells_y << octave), max(2, cells_x << octave))
            grid = (self.rng.random(shape) * 255).astype(np.uint8)
            layer = Image.fromarray(grid).resize((self.w, self.h), Image.Resampling.BICUBIC)
            total += np.asarray(layer, dtype=float) / 255 / 2**octave
            weight += 1 / 2**octave
        return total / weight

    def finish(self, grain=0.008, vignette=0.18):
        """The picture as an 8-bit image of its nominal size."""
        middle = self.bottom / 2
        distance = (self.x - 0.5) ** 2 + (self.y - middle) ** 2
        self.pixels *= 1 - (vignette * distance / (0.25 + middle**2))[..., None]
        self.pixels += self.rng.normal(0, grain, (self.h, self.w, 1))
        image = Image.fromarray((np.clip(self.pixels, 0, 1) * 255).round().astype(np.uint8))
        return image.resize(self.size, Image.Resampling.LANCZOS)


def rgb(text):
    """`"ff8800"` as three floats."""
    return np.array([int(text[i : i + 2], 16) / 255 for i in (0, 2, 4)])


def ridge(rng, left, right, base, height, steps=7, roughness=0.55):
    """A mountain line from midpoint displacement, as points from left to right."""
    heights = np.array([0.35, 0.65, 0.4])
    spread = 0.5
    for _ in range(steps):
        middles = (heights[:-1] + heights[1:]) / 2 + rng.normal(0, spread * 0.35, len(heights) - 1)
        merged = np.empty(len(heights) + len(middles))
        merged[0::2], merged[1::2] = heights, middles
        heights, spread = merged, spread * roughness
    xs = np.linspace(left, right, len(heights))
    return [(x, base - height * h) for x, h in zip(xs, heights)]
