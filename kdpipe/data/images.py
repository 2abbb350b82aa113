"""Image files: which are read, whether they can be trained on, and their size as a model sees it."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from kdpipe.errors import counted

# Suffixes and Pillow's names of the formats that Ultralytics reads (tests/test_upstream.py compares them).
SUFFIXES = {
    ".avif",
    ".bmp",
    ".dng",
    ".heic",
    ".heif",
    ".jp2",
    ".jpeg",
    ".jpg",
    ".mpo",
    ".png",
    ".tif",
    ".tiff",
    ".webp",
}
FORMATS = {"AVIF", "BMP", "DNG", "HEIF", "JPEG", "JPEG2000", "MPO", "PNG", "TIFF", "WEBP"}
HEIF_SUFFIXES = {".heic", ".heif"}
# Suffixes of other images, which Ultralytics excludes without a word.
NOT_READ = {
    ".exr",
    ".gif",
    ".hdr",
    ".ico",
    ".jfif",
    ".jpe",
    ".jxl",
    ".pbm",
    ".pgm",
    ".pnm",
    ".ppm",
    ".psd",
    ".ras",
    ".svg",
    ".tga",
}
CONVERTED = (1, 3)  # channels to which Ultralytics converts every image; it reads others as they are
SMALLEST_SIDE = 10  # pixels; Ultralytics rejects smaller images
JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"
EXIF_ORIENTATION, EXIF_TURNED = 0x0112, (5, 6, 7, 8)  # rotated by 90 degrees: width and height are swapped
TURNED_BY_ALL = ("JPEG", "MPO")  # formats whose orientation tag every version of OpenCV obeys

Size = tuple[int, int]

# Pillow warns of images with half the pixels of its limit; the limit itself is checked here.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class BrokenImageError(OSError):
    """An image whose end is missing, or whose content is damaged."""


def check_image(content: bytes, name: str, channels: int) -> bytes:
    """Decode the whole image, and return the content that Ultralytics will neither reject nor rewrite.

    Bytes after the end marker of a JPEG are removed: Ultralytics rewrites such files in place, and DVC would
    see changed data.

    Args:
        content: Content of the file.
        name: Its name.
        channels: Channels of the data set's images.

    Raises:
        BrokenImageError: if it is cut short or damaged.
        OSError: if it cannot be trained on otherwise, with the reason.
    """
    _decode(content, name, channels)
    if not content.startswith(JPEG_START) or content.endswith(JPEG_END):
        return content
    return content[: content.rfind(JPEG_END) + len(JPEG_END)]


def _decode(content: bytes, name: str, channels: int) -> None:
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.verify()  # finds wrong checksums and missing ends, which `load` excuses
        with Image.open(io.BytesIO(content)) as image:
            image.load()
    except Image.DecompressionBombError as error:
        raise OSError(
            f"too large: {str(error).split(',')[0]}; write a smaller one, or tiles of it"
        ) from error
    # Image.open raises an ImportError once Ultralytics is imported, which then looks for a reader of HEIF.
    except (UnidentifiedImageError, ImportError) as error:
        raise OSError(_unknown(name)) from error
    except OSError as error:
        raise BrokenImageError(str(error)) from error
    except Exception as error:  # Pillow's readers raise anything for broken files
        raise BrokenImageError(f"no image, or a broken one ({error})") from error
    if image.format not in FORMATS:
        raise OSError(f"its format is {image.format}, which Ultralytics does not read; save it as PNG")
    if min(image.size) < SMALLEST_SIDE:
        raise OSError(f"smaller than {SMALLEST_SIDE} pixels: {image.size[0]} x {image.size[1]}")
    if image.mode == "F" or (image.mode == "I" and image.format == "TIFF"):
        raise OSError("32 bits per channel, which Ultralytics does not read; save it with 8")
    bands = len(image.getbands())
    if channels not in CONVERTED and bands != channels and image.mode != "P" and image.format != "TIFF":
        raise OSError(f"{counted(bands, 'channel')}, but the data yaml has channels: {channels}")


def _unknown(name: str) -> str:
    if Path(name).suffix.lower() in HEIF_SUFFIXES:
        return "HEIF cannot be read here; convert it, for example to PNG"
    return "no image, or of an unknown format"


def orientation_of(image: Image.Image) -> int:
    """The orientation tag of an open image; as in Ultralytics, 0 without one or with EXIF that is damaged."""
    try:
        return int(image.getexif().get(EXIF_ORIENTATION, 0))
    except Exception:  # Pillow's readers raise anything for broken content
        return 0


def upright(image: Image.Image) -> Image.Image:
    """An open image as its orientation tag says that it is shown, in RGB."""
    turned = ImageOps.exif_transpose(image) if orientation_of(image) else image
    return turned.convert("RGB")


def shown_size(path: Path) -> Size:
    """Width and height in pixels as a model sees the image: after the rotation by its orientation tag.

    Whether that rotates other formats than JPEG depends on the versions of OpenCV and Pillow. Such images are
    decoded, as by Ultralytics.
    """
    with Image.open(path) as image:
        size, kind = image.size, image.format
        turned = orientation_of(image) in EXIF_TURNED
    if not turned:
        return size
    if kind in TURNED_BY_ALL:
        return size[1], size[0]
    from kdpipe.yolo.reading import decoded_size

    return decoded_size(path)
