"""The demonstration pair: somebody in a coat in front of a house, under two skies."""

from dataclasses import dataclass

import numpy as np

from brush import Canvas, rgb, ridge


@dataclass(frozen=True)
class Look:
    """What differs between the pictures of the pair."""

    sky: tuple  # colours from the zenith to the horizon
    sun: tuple | None  # x, y, colour
    light: np.ndarray  # colour cast over everything
    coat: np.ndarray
    scarf: np.ndarray
    grass: tuple  # far and near
    hills: tuple  # far and near
    windows: np.ndarray
    window_glow: float
    figure: tuple  # x of the middle, y of the soles, height
    house: tuple  # x of the left edge, y of the ground, scale
    shadow: float  # how far the figure's shadow leans to the left, in heights
    shadow_strength: float
    smoke: bool


SUNSET = Look(
    sky=(rgb("2b3568"), rgb("7a4f86"), rgb("e2785f"), rgb("ffc27a")),
    sun=(0.70, 0.365, rgb("fff0c0")),
    light=np.array([1.06, 0.97, 0.90]),
    coat=rgb("c2242c"),
    scarf=rgb("e9dcc0"),
    grass=(rgb("7d7a3c"), rgb("2e3a22")),
    hills=(rgb("8a5a7c"), rgb("553f5c")),
    windows=rgb("ffd27a"),
    window_glow=0.55,
    figure=(0.56, 0.735, 0.40),
    house=(0.10, 0.575, 1.0),
    shadow=-0.75,
    shadow_strength=0.42,
    smoke=True,
)

OVERCAST = Look(
    sky=(rgb("6d8196"), rgb("93a4b2"), rgb("b4c0c7"), rgb("cfd6d6")),
    sun=None,
    light=np.array([0.95, 0.99, 1.04]),
    coat=rgb("2f5d9a"),
    scarf=rgb("e9dcc0"),
    grass=(rgb("7f9460"), rgb("3b5233")),
    hills=(rgb("8799a3"), rgb("5f7480")),
    windows=rgb("5a6a75"),
    window_glow=0.0,
    figure=(0.33, 0.770, 0.52),
    house=(0.40, 0.560, 0.90),
    shadow=-0.12,
    shadow_strength=0.30,
    smoke=False,
)


def render(look, width=640, height=512, seed=7):
    """One picture of the pair."""
    canvas = Canvas(width, height, seed)
    sky(canvas, look)
    land(canvas, look)
    tree(canvas, look, 0.90, 0.60, 0.30)
    house(canvas, look)
    figure(canvas, look)
    foreground(canvas, look)
    canvas.pixels *= look.light
    return canvas.finish()


def sky(canvas, look):
    stops = list(zip((0.0, 0.20, 0.36, 0.46), look.sky))
    canvas.paint(canvas.vertical(stops))
    if look.sun:
        x, y, color = look.sun
        distance = np.hypot(canvas.x - x, canvas.y - y)
        canvas.glow(look.sky[3], np.exp(-((distance / 0.30) ** 2)), 0.55)
        canvas.glow(color, np.exp(-((distance / 0.11) ** 2)), 0.7)
        canvas.paint(color, canvas.ellipse(x, y, 0.048, 0.048, 0.0015))
    bands = canvas.noise(3, 9, 5)
    amount = np.clip((bands - 0.50) * 4.5, 0, 1) * np.clip(1.1 - canvas.y / 0.46, 0, 1)
    lit = look.sky[3] if look.sun else rgb("e4e8ea")
    canvas.paint(lit * 0.55 + look.sky[2] * 0.45, amount, 0.60)
    under = np.clip((np.roll(bands, -9, axis=0) - 0.56) * 5, 0, 1) * amount
    canvas.paint(look.sky[0], under, 0.35)


def land(canvas, look):
    rng = np.random.default_rng(21)
    for base, height, color in ((0.47, 0.17, look.hills[0]), (0.50, 0.12, look.hills[1])):
        points = ridge(rng, -0.02, 1.02, base, height, steps=5, roughness=0.42)
        mask = canvas.polygon(points + [(1.02, 0.60), (-0.02, 0.60)], 0.0008)
        canvas.paint(color * (0.9 + 0.2 * canvas.noise(14, 8))[..., None], mask)
    haze = np.exp(-(((canvas.y - 0.475) / 0.035) ** 2))
    canvas.paint(look.sky[3], haze, 0.35)
    ground = canvas.polygon([(-0.1, 0.495), (0.3, 0.478), (0.7, 0.482), (1.1, 0.500), (1.1, 1), (-0.1, 1)], 0.001)
    depth = np.clip((canvas.y - 0.48) / (canvas.bottom - 0.48), 0, 1)[..., None]
    grass = look.grass[0] * (1 - depth) + look.grass[1] * depth
    tufts = canvas.noise(120, 46, 2) * 0.6 + canvas.noise(10, 10) * 0.6
    canvas.paint(grass * (0.62 + 0.66 * tufts)[..., None], ground)
    x, floor, scale = look.house
    door = x + 0.205 * scale
    path = [(door - 0.022, floor - 0.01), (door + 0.022, floor - 0.01), (door + 0.22, 0.66), (door + 0.42, 0.85), (door + 0.02, 0.85), (door + 0.10, 0.66)]
    stones = 0.78 + 0.4 * canvas.noise(70, 70, 3)
    sand = rgb("b59a78") * (0.75 if look.sun else 0.85)
    canvas.paint(sand * stones[..., None], canvas.polygon(path, 0.006), 0.92)


def tree(canvas, look, x, floor, height):
    bark = rgb("3a2a24") if look.sun else rgb("4a4440")
    leaf = rgb("4a3a2c") if look.sun else rgb("44583c")
    canvas.shade(canvas.ellipse(x - 0.07, floor + 0.01, 0.15, 0.018, 0.01), 0.4)
    canvas.paint(bark, canvas.polygon([(x - 0.012, floor), (x - 0.006, floor - height * 0.6), (x + 0.007, floor - height * 0.6), (x + 0.014, floor)], 0.001))
    rng = np.random.default_rng(5)
    blobs = [(rng.normal(0, 0.040), rng.normal(0, 0.040), rng.uniform(0.014, 0.030)) for _ in range(90)]
    leaves = (0.6 + 0.8 * canvas.noise(150, 120, 2))[..., None]
    side = -1 if look.sun else 0
    for dx, dy, r in sorted(blobs, key=lambda b: -b[1]):
        middle = floor - height * 0.72
        lit = np.clip(0.9 - 5.0 * dy + side * 4.0 * dx, 0.45, 1.7) * rng.uniform(0.85, 1.15)
        mask = canvas.ellipse(x + dx, middle + dy, r, r * 0.85, 0.0015)
        canvas.paint(leaf * lit * leaves, mask)


def house(canvas, look):
    x, floor, s = look.house

    def at(px, py):
        return (x + px * s, floor + py * s)

    warm = 1.0 if look.sun else 0.92
    canvas.shade(canvas.polygon([at(-0.14, 0.035), at(0.38, 0.03), at(0.40, 0.0), at(0.0, 0.0)], 0.012), 0.45)
    wall = rgb("d9c3a0") * warm
    boards = 0.94 + 0.06 * np.sign(np.sin(canvas.y * 2 * np.pi / (0.0125 * s)))
    weathered = (boards * (0.88 + 0.2 * canvas.noise(30, 30)))[..., None]
    front = canvas.polygon([at(0, 0), at(0, -0.17), at(0.29, -0.17), at(0.29, 0)], 0.0006)
    side = canvas.polygon([at(0.29, 0), at(0.29, -0.17), at(0.345, -0.255), at(0.40, -0.17), at(0.40, -0.004)], 0.0006)
    canvas.paint(wall * 0.80 * weathered, front)
    canvas.paint(wall * (1.08 if look.sun else 0.90) * weathered, side)
    roof = rgb("6b3b34") if look.sun else rgb("61504c")
    tiles = 0.86 + 0.16 * np.sign(np.sin(canvas.y * 2 * np.pi / (0.016 * s)) * np.sin(canvas.x * 2 * np.pi / (0.022 * s)))
    slope = canvas.polygon([at(-0.02, -0.163), at(0.05, -0.26), at(0.348, -0.26), at(0.292, -0.163)], 0.0006)
    canvas.paint(roof * (tiles * (0.85 + 0.3 * canvas.noise(40, 30)))[..., None], slope)
    canvas.paint(roof * 0.7, canvas.line([at(0.292, -0.165), at(0.347, -0.262), at(0.408, -0.163)], 0.011 * s))
    canvas.shade(canvas.polygon([at(0, -0.165), at(0.29, -0.165), at(0.29, -0.150), at(0, -0.150)], 0.003), 0.35)
    chimney = canvas.polygon([at(0.09, -0.235), at(0.09, -0.305), at(0.13, -0.305), at(0.13, -0.235)], 0.0006)
    canvas.paint(rgb("7a4a3e") * (0.8 + 0.4 * canvas.noise(60, 60))[..., None], chimney)
    canvas.paint(rgb("4c322c"), canvas.polygon([at(0.084, -0.300), at(0.084, -0.312), at(0.136, -0.312), at(0.136, -0.300)]))
    panes = [(0.035, -0.125, 0.06, 0.07), (0.105, -0.125, 0.06, 0.07), (0.325, -0.12, 0.04, 0.065)]
    for px, py, w, h in panes:
        window(canvas, look, at(px, py), w * s, h * s)
    left, top = at(0.185, -0.115)
    right, low = at(0.235, 0.0)
    canvas.paint(rgb("efe6d2") * 0.9, canvas.polygon([(left - 0.006, top - 0.006), (right + 0.006, top - 0.006), (right + 0.006, low), (left - 0.006, low)]))
    canvas.paint(rgb("35524f") * (0.85 + 0.3 * canvas.noise(50, 20))[..., None], canvas.polygon([(left, top), (right, top), (right, low), (left, low)]))
    canvas.paint(rgb("d9b25a"), canvas.ellipse(right - 0.010, (top + low) / 2 + 0.004, 0.0035, 0.0035, 0.0005))
    if look.smoke:
        for step in range(16):
            t = step / 15
            px, py = at(0.11 - 0.10 * t**1.4 + 0.012 * np.sin(7 * t), -0.32 - 0.17 * t)
            canvas.paint(rgb("e8d8d8"), canvas.ellipse(px, py, 0.012 + 0.026 * t, 0.010 + 0.018 * t, 0.008), 0.20 * (1 - t))


def window(canvas, look, corner, w, h):
    left, top = corner
    frame = 0.006
    canvas.paint(rgb("efe6d2") * 0.92, canvas.polygon([(left - frame, top - frame), (left + w + frame, top - frame), (left + w + frame, top + h + frame), (left - frame, top + h + frame)]))
    glass = canvas.polygon([(left, top), (left + w, top), (left + w, top + h), (left, top + h)])
    fade = np.clip(1.1 - 0.5 * (canvas.y - top) / h, 0, 1.1)[..., None]
    canvas.paint(look.windows * fade, glass)
    if look.window_glow:
        halo = np.exp(-(((canvas.x - left - w / 2) / (w * 1.2)) ** 2 + ((canvas.y - top - h / 2) / (h * 1.2)) ** 2))
        canvas.glow(look.windows, halo, look.window_glow * 0.5)
    for line in ([(left + w / 2, top), (left + w / 2, top + h)], [(left, top + h / 2), (left + w, top + h / 2)]):
        canvas.paint(rgb("efe6d2") * 0.92, canvas.line(line, 0.004))


def figure(canvas, look):
    """Somebody seen from the front, `height` from soles to crown; the light comes from the right."""
    x, floor, height = look.figure

    def at(px, py):
        return (x + px * height, floor - py * height)

    def shape(*points, blur=0.0012):
        return canvas.polygon([at(*p) for p in points], blur)

    lean = look.shadow * height
    canvas.shade(canvas.polygon([at(-0.10, 0.0), at(0.10, 0.0), (x + lean + 0.05, floor + 0.30 * height), (x + lean - 0.06, floor + 0.30 * height)], 0.014), look.shadow_strength)
    canvas.shade(canvas.ellipse(x, floor + 0.004, 0.13 * height, 0.022 * height, 0.006), 0.55)
    trousers, boots = rgb("2c3040"), rgb("3a2418")
    rim = look.sky[3] if look.sun else rgb("d5dde2")

    def form(mask, color, strength=1.0):
        """Rounds a mask: darker at the left, lit at the right edge."""
        cover = mask > 0.5
        columns = np.where(cover.any(axis=0))[0]
        left, right = columns.min() / canvas.w, (columns.max() + 1) / canvas.w
        across = np.clip((canvas.x - left) / (right - left), 0, 1)
        turn = 0.62 + 0.55 * np.sin(np.pi * np.clip(across * 0.75 + 0.08, 0, 1)) * strength
        cloth = 0.93 + 0.14 * canvas.noise(60, 60, 3)
        canvas.paint(color * (turn * cloth)[..., None], mask)
        canvas.glow(rim, mask * np.clip((across - 0.80) / 0.2, 0, 1) ** 2, 0.40 if look.sun else 0.12)

    for side in (-1, 1):
        form(shape((side * 0.068 - 0.042, 0.33), (side * 0.068 + 0.042, 0.33), (side * 0.062 + 0.030, 0.06), (side * 0.062 - 0.030, 0.06)), trousers)
        form(canvas.rounded(*at(side * 0.066 - 0.038, 0.115), *at(side * 0.066 + 0.038, 0.0), 0.02 * height, 0.001), boots)
        toe_x, toe_y = at(side * 0.072, 0.018)
        form(canvas.ellipse(toe_x, toe_y, 0.044 * height, 0.021 * height, 0.001), boots * 1.1)
    # Arms behind the coat's edge, hands below the sleeves.
    for side in (-1, 1):
        hx, hy = at(side * 0.190, 0.405)
        canvas.paint(rgb("c98f6f") * (1.0 if side > 0 else 0.8), canvas.ellipse(hx, hy, 0.026 * height, 0.034 * height, 0.001))
        sleeve = canvas.line([at(side * 0.125, 0.765), at(side * 0.170, 0.60), at(side * 0.190, 0.445)], 0.078 * height, 0.001)
        form(sleeve, look.coat * (0.98 if side > 0 else 0.80))
    coat = shape((-0.135, 0.80), (-0.06, 0.845), (0.06, 0.845), (0.135, 0.80), (0.125, 0.60), (0.165, 0.27), (0.06, 0.255), (-0.06, 0.255), (-0.165, 0.27), (-0.125, 0.60), blur=0.002)
    form(coat, look.coat)
    for fold in (-0.085, 0.070, 0.115):
        canvas.shade(canvas.line([at(fold * 0.8, 0.56), at(fold * 1.15, 0.28)], 0.010 * height, 0.004), 0.30)
    canvas.shade(canvas.line([at(0.0, 0.80), at(0.006, 0.26)], 0.007 * height, 0.0006), 0.45)
    belt = shape((-0.128, 0.585), (0.128, 0.585), (0.131, 0.553), (-0.131, 0.553))
    canvas.shade(belt, 0.42)
    canvas.paint(rgb("d9b25a"), canvas.rounded(*at(-0.018, 0.588), *at(0.022, 0.550), 0.004, 0.0006))
    canvas.shade(canvas.rounded(*at(-0.008, 0.579), *at(0.012, 0.559), 0.002), 0.6)
    for button in (0.74, 0.67, 0.49, 0.42):
        bx, by = at(0.030, button)
        canvas.paint(rgb("2a1a16"), canvas.ellipse(bx, by, 0.009 * height, 0.009 * height, 0.0004))
    head(canvas, look, at, form, height)


def head(canvas, look, at, form, height):
    hx, hy = at(0.0, 0.915)
    hair = rgb("3b2418")
    form(canvas.rounded(*at(-0.078, 0.965), *at(0.078, 0.825), 0.05 * height, 0.002), hair)
    form(canvas.ellipse(hx, hy, 0.058 * height, 0.074 * height, 0.001), rgb("e0a884"), 0.9)
    fringe = canvas.ellipse(hx, hy - 0.040 * height, 0.074 * height, 0.052 * height, 0.0015)
    form(fringe * (1 - canvas.ellipse(hx + 0.012 * height, hy + 0.022 * height, 0.060 * height, 0.062 * height, 0.001)), hair)
    for side in (-1, 1):
        ex, ey = hx + side * 0.023 * height, hy + 0.002 * height
        canvas.paint(rgb("2a1b16"), canvas.ellipse(ex, ey, 0.0065 * height, 0.0075 * height, 0.0004))
        canvas.paint(hair, canvas.line([(ex - 0.011 * height, ey - 0.017 * height), (ex + 0.011 * height, ey - 0.018 * height)], 0.005 * height), 0.8)
        canvas.glow(rgb("d05040"), canvas.ellipse(hx + side * 0.033 * height, hy + 0.026 * height, 0.014 * height, 0.010 * height, 0.003), 0.22)
    canvas.paint(rgb("b06a50"), canvas.line([(hx + 0.002 * height, hy + 0.008 * height), (hx + 0.005 * height, hy + 0.022 * height)], 0.005 * height, 0.0006), 0.6)
    smile = [(hx - 0.018 * height, hy + 0.038 * height), (hx, hy + 0.044 * height), (hx + 0.018 * height, hy + 0.037 * height)]
    canvas.paint(rgb("8e3b34"), canvas.line(smile, 0.006 * height, 0.0005))
    scarf = canvas.rounded(*at(-0.078, 0.868), *at(0.078, 0.805), 0.028 * height, 0.001)
    form(scarf, look.scarf)
    form(canvas.polygon([at(0.025, 0.83), at(0.072, 0.83), at(0.085, 0.655), at(0.040, 0.650)], 0.0015), look.scarf)
    for stripe in (0.69, 0.71):
        canvas.paint(look.coat * 0.7, canvas.line([at(0.042, stripe), at(0.080, stripe + 0.002)], 0.007 * height))
    canvas.shade(canvas.line([at(-0.07, 0.838), at(0.07, 0.832)], 0.006 * height, 0.002), 0.22)


def foreground(canvas, look):
    rng = np.random.default_rng(11)
    dark = look.grass[1]
    for _ in range(420):
        x, size = rng.uniform(-0.02, 1.02), rng.uniform(0.012, 0.045)
        if 0.36 < x < 0.80 and rng.random() < 0.9:
            continue
        y = canvas.bottom + 0.008
        tip = (x + rng.normal(0, 0.012), y - size - abs(x - 0.6) * 0.05)
        blade(canvas, [(x - 0.0025, y), (x + 0.0025, y), tip], dark * rng.uniform(0.5, 1.3))


def blade(canvas, points, color):
    """A small polygon, painted within its own box only: there are hundreds."""
    from PIL import Image, ImageDraw

    pixels = [(x * canvas.w, y * canvas.w) for x, y in points]
    left, top = (max(0, int(min(p[i] for p in pixels))) for i in (0, 1))
    right = min(canvas.w, int(max(p[0] for p in pixels)) + 2)
    low = min(canvas.h, int(max(p[1] for p in pixels)) + 2)
    if right <= left or low <= top:
        return
    stamp = Image.new("L", (right - left, low - top))
    ImageDraw.Draw(stamp).polygon([(x - left, y - top) for x, y in pixels], fill=255)
    alpha = np.asarray(stamp, dtype=float)[..., None] / 255
    area = canvas.pixels[top:low, left:right]
    area += (color - area) * alpha
