"""What a scanner or a camera does to a page; the boxes move with the picture."""

import io
import math
from random import Random

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from .document import Box, Line, Page

Corners = np.ndarray  # [4, 2]: left top, right top, right bottom, left bottom


def photograph(page: Page, random: Random, strength: float = 1.0) -> Page:
    """The page as it is (a screenshot), scanned, or photographed; `strength` from 0 to 1 widens every range."""
    kind = random.random()
    if kind < 0.4:
        return page
    if kind < 0.7:
        page = warp(page, *scanner(page, random, strength), random)
    else:
        page = warp(page, *camera(page, random, strength), random)
        page.image = shaded(page.image, random, strength)
    page.image = worn(page.image, random, strength)
    return page


def corners(width: float, height: float) -> Corners:
    """Of a rectangle at the origin."""
    return np.array([(0, 0), (width, 0), (width, height), (0, height)], float)


def scanner(page: Page, random: Random, strength: float) -> tuple[Corners, tuple[int, int]]:
    """Where the corners go and the new size: turned a little, the frame kept."""
    width, height = page.image.size
    angle = math.radians(random.gauss(0, 1.0 * strength))
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    centre = np.array((width / 2, height / 2))
    return (corners(width, height) - centre) @ turn.T + centre, (width, height)


def camera(page: Page, random: Random, strength: float) -> tuple[Corners, tuple[int, int]]:
    """The same: every corner a little off, with some of what the page lies on around it."""
    width, height = page.image.size
    border = random.uniform(0.0, 0.12) * max(width, height)
    angle = math.radians(random.gauss(0, 2.5 * strength))
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    centre = np.array((width / 2, height / 2))
    off = np.array([[random.uniform(-1, 1) * 0.035 * strength * side for side in (width, height)] for _ in range(4)])
    moved = (corners(width, height) - centre) @ turn.T + centre + off
    low, high = moved.min(0) - border, moved.max(0) + border
    size = high - low
    return moved - low, (math.ceil(size[0]), math.ceil(size[1]))


def warp(page: Page, to: Corners, size: tuple[int, int], random: Random) -> Page:
    """The page with its corners at `to` on a picture of `size`."""
    forth = homography(corners(*page.image.size), to)
    back = np.linalg.inv(forth)
    background = tuple(random.randrange(20, 235) for _ in range(3)) if random.random() < 0.7 else (255, 255, 255)
    coefficients = tuple((back / back[2, 2]).flatten()[:8])
    image = page.image.transform(size, Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BILINEAR, fillcolor=background)
    rows = [[Line(line.text, _moved(line.boxes, forth), line.facts) for line in row] for row in page.rows]
    return Page(image, page.document, rows)


def homography(a: Corners, b: Corners) -> np.ndarray:
    """[3, 3]: takes the four points of `a` to those of `b`."""
    rows, right = [], []
    for (x, y), (u, v) in zip(a, b):
        rows += [(x, y, 1, 0, 0, 0, -u * x, -u * y), (0, 0, 0, x, y, 1, -v * x, -v * y)]
        right += [u, v]
    return np.append(np.linalg.solve(np.array(rows), np.array(right)), 1).reshape(3, 3)


def _moved(boxes: list[Box], by: np.ndarray) -> list[Box]:
    points = np.reshape(boxes, (-1, 4))[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2) @ by[:, :2].T + by[:, 2]
    points = points[..., :2] / points[..., 2:]  # [boxes, 4, 2]
    return [tuple(box) for box in np.concatenate([points.min(1), points.max(1)], 1).tolist()]


def shaded(image: Image.Image, random: Random, strength: float) -> Image.Image:
    """A gradient of light over the picture and sometimes the edge of a shadow."""
    x, y = np.meshgrid(*(np.linspace(-1, 1, side // 4 + 1, dtype=np.float32) for side in image.size))
    angle = random.uniform(0, 2 * math.pi)
    across = math.cos(angle) * x + math.sin(angle) * y
    light = 1 - strength * random.uniform(0, 0.25) * (across + 1) / 2
    if random.random() < 0.3:
        edge = random.uniform(-0.6, 0.6)
        light *= 1 - strength * random.uniform(0.05, 0.35) / (1 + np.exp(-(across - edge) * random.uniform(4, 30)))
    warm = np.array([random.uniform(1 - 0.08 * strength, 1) for _ in range(3)], np.float32)
    smooth = Image.fromarray((255 * light[..., None] * warm).astype(np.uint8)).resize(image.size, Image.Resampling.BILINEAR)
    return ImageChops.multiply(image, smooth)


def worn(image: Image.Image, random: Random, strength: float) -> Image.Image:
    """Each sometimes: faded, blurred, noisy, saved as JPEG."""
    if random.random() < 0.3:
        low = random.uniform(0, 0.35 * strength)
        image = image.point(lambda v: int(255 * low + (1 - low) * v))
    if random.random() < 0.35:
        image = image.filter(ImageFilter.GaussianBlur(random.uniform(0.2, 1.0) * strength))
    if random.random() < 0.35:
        grain = np.random.default_rng(random.getrandbits(32)).standard_normal((image.height, image.width, 1), np.float32)
        noisy = np.asarray(image) + random.uniform(2, 12) * strength * grain
        image = Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
    if random.random() < 0.5:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=random.randint(35, 90))
        image = Image.open(file).convert("RGB")
    return image
