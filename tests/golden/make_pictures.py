"""Tiny pictures of every kind the page decoder reads, and what Pillow makes of them.

    python tests/golden/make_pictures.py        # Pillow 12.3

Writes pictures/* and pictures/expected.json: {file: {width, height, rgb}}, rgb in hexadecimal, after
`ImageOps.exif_transpose` and `convert("RGB")`; files whose name starts with `raw_` without the former.
"""

import json
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

OUT = Path(__file__).parent / "pictures"
W, H = 5, 3
warnings.simplefilter("ignore")
rng = np.random.default_rng(7)
levels = rng.integers(0, 256, (H, W, 4), dtype=np.uint8)
levels[0, 0, 3] = 0  # a fully transparent pixel keeps its colour
rgb, rgba = Image.fromarray(levels[..., :3]), Image.fromarray(levels)
grey, grey_alpha = Image.fromarray(levels[..., 0]), Image.fromarray(levels[..., :2], "LA")
flat = Image.new("RGB", (16, 16), (200, 100, 50))


def png(colour_type, bits, rows, extra=()):
    """A PNG Pillow itself cannot write: 16-bit colour, few bits, palettes with alpha."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    width = len(rows[0]) * 8 // bits // {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour_type]
    header = struct.pack(">IIBBBBB", width, len(rows), bits, colour_type, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + bytes(row) for row in rows))
    chunks = [(b"IHDR", header), *extra, (b"IDAT", data), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in chunks)


def deep(channels):
    """16-bit rows with the values that separate high byte, rounding and saturation."""
    values = np.array([0, 1, 127, 128, 255, 256, 0x7F80, 0x80FF, 40000, 65535], dtype=">u2")
    return [np.resize(np.roll(values, y), W * channels).astype(">u2").tobytes() for y in range(H)]


def exif(orientation):
    data = Image.Exif()
    data[274] = orientation
    return data.tobytes()


def save(name, picture, **options):
    picture.save(OUT / name, **options)


OUT.mkdir(exist_ok=True)
for old in OUT.iterdir():
    old.unlink()

for mode, picture in [("rgb", rgb), ("rgba", rgba), ("grey", grey), ("grey_alpha", grey_alpha)]:
    save(f"{mode}.png", picture)
save("palette.png", rgb.quantize(8))
save("bilevel.png", grey.convert("1"))
palette = [(b"PLTE", bytes([9, 8, 7, 200, 100, 50])), (b"tRNS", bytes([0, 128]))]
(OUT / "palette_alpha.png").write_bytes(png(3, 8, [[0, 1, 1], [1, 0, 0]], palette))
(OUT / "grey2.png").write_bytes(png(0, 2, [[0b00011011], [0b11100100]]))
for name, colour_type, channels in [("grey16", 0, 1), ("rgb16", 2, 3), ("grey_alpha16", 4, 2), ("rgba16", 6, 4)]:
    (OUT / f"{name}.png").write_bytes(png(colour_type, 16, deep(channels)))
for orientation in range(1, 9):
    save(f"orientation{orientation}.png", rgb, exif=exif(orientation))
save("raw_orientation6.png", rgb, exif=exif(6))
save("orientation6.webp", rgb, lossless=True, exif=exif(6))
save("orientation6.tif", rgb, tiffinfo={274: 6})
save("raw_orientation6.tif", rgb, tiffinfo={274: 6})

save("animated.gif", rgb.quantize(8), save_all=True, append_images=[ImageOps.invert(rgb).quantize(8)])
save("transparent.gif", rgb.quantize(8), transparency=3)
save("rgb.bmp", rgb)
save("palette.bmp", rgb.quantize(8))
save("rgb_lzw.tif", rgb, compression="tiff_lzw")
save("rgba_deflate.tif", rgba, compression="tiff_adobe_deflate")
save("grey16.tif", Image.fromarray(np.array([[0, 255, 256, 40000]], dtype=np.uint16)))
save("white_is_zero.tif", grey, tiffinfo={262: 0})
save("fax4.tif", grey.resize((32, 8)).convert("1"), compression="group4")
save("lossless_alpha.webp", rgba, lossless=True, exact=True)

corner = flat.copy()
corner.paste((20, 40, 220), (0, 0, 8, 8))
save("colour.jpg", corner, quality=95, subsampling=0)
save("progressive.jpg", corner, quality=95, subsampling=0, progressive=True)
save("orientation6.jpg", corner, quality=95, subsampling=0, exif=exif(6))
save("grey.jpg", flat.convert("L"), quality=95)
save("cmyk.jpg", Image.new("CMYK", (16, 16), (10, 20, 30, 40)), quality=100)

expected = {}
for file in sorted(OUT.iterdir()):
    picture = Image.open(file)
    if not file.name.startswith("raw_"):
        picture = ImageOps.exif_transpose(picture)
    picture = picture.convert("RGB")
    expected[file.name] = {"width": picture.width, "height": picture.height, "rgb": picture.tobytes().hex()}
(OUT / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
