"""Image formats: those that are read, their file suffixes, and the names of others in messages."""

from functools import cache

from PIL import Image, features

_RASTER = (
    "PNG",
    "JPEG",
    "WEBP",
    "GIF",
    "BMP",
    "DIB",
    "TIFF",
    "JPEG2000",
    "AVIF",
    "PPM",
    "TGA",
    "ICO",
    "PCX",
    "SGI",
    "QOI",
)
_COMPILED_IN = {"WEBP": "webp", "AVIF": "avif", "JPEG2000": "jpg_2000"}  # a build of Pillow may lack them
# Formats whose first bytes are unmistakable.
_RECOGNISED = (
    "PNG",
    "JPEG",
    "GIF",
    "TIFF",
    "JPEG2000",
    "EPS",
    "WMF",
    "PSD",
    "HDF5",
    "MPEG",
    "FITS",
    "GRIB",
    "ICNS",
    "DDS",
)
_HEIC_BRANDS = (b"heic", b"heix", b"heif", b"mif1", b"msf1", b"hevc")

_NO_IMAGES = {"BUFR", "GRIB", "HDF5", "IPTC", "MPEG"}  # Pillow registers them: measurements, metadata, films
_OTHER_SUFFIXES = {
    **dict.fromkeys((".eps", ".ps", ".ai"), "EPS"),
    **dict.fromkeys((".heic", ".heif"), "HEIC"),
    **dict.fromkeys((".raw", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".dng"), "a camera's raw format"),
    **{".emf": "EMF", ".jxl": "JPEG XL", ".svg": "SVG", ".avif": "AVIF", ".webp": "WEBP", ".jp2": "JPEG2000"},
}


@cache
def readable_formats() -> tuple[str, ...]:
    """Formats that are decoded, by Pillow's names: pixels only.

    Pillow knows more. EPS starts Ghostscript, a program that executes the file; WMF is drawn by the system; HDF5, GRIB
    and others call plug-ins of other packages. A file of a stranger must reach none of them.

    Example:
        >>> "PNG" in readable_formats(), "EPS" in readable_formats()
        (True, False)
    """
    Image.init()
    built = (name for name in _RASTER if name not in _COMPILED_IN or features.check(_COMPILED_IN[name]))
    return tuple(name for name in built if name in Image.OPEN)


@cache
def image_suffixes() -> frozenset[str]:
    """File suffixes of all image formats that are read.

    Example:
        >>> {".jpg", ".webp"} <= image_suffixes(), image_suffixes().isdisjoint({".txt", ".eps", ".h5", ".mpg"})
        (True, True)
    """
    kinds = {*readable_formats(), "MPO"}  # Pillow opens MPO, the JPEG of stereo cameras, as JPEG
    return frozenset(suffix for suffix, kind in Image.registered_extensions().items() if kind in kinds)


@cache
def unread_suffixes() -> dict[str, str]:
    """Suffixes of pictures in formats that are not read, and the name of each format: Pillow's others, and some more.

    Example:
        >>> unread_suffixes()[".heic"], unread_suffixes()[".dds"], ".h5" in unread_suffixes()
        ('HEIC', 'DDS', False)
    """
    read = image_suffixes()  # Pillow has registered its own now
    known = {suffix: kind for suffix, kind in Image.registered_extensions().items() if kind not in _NO_IMAGES}
    return {suffix: kind for suffix, kind in (known | _OTHER_SUFFIXES).items() if suffix not in read}


def unreadable_reason(data: bytes) -> str:
    """Why Pillow identifies no image in ``data`` among the formats that are read.

    Example:
        >>> unreadable_reason(b"%!PS-Adobe-3.0 EPSF-3.0"), unreadable_reason(b"text")
        ('EPS is not read: convert it to PNG', 'no image format that Pillow knows')
    """
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC_BRANDS:
        return "HEIC is not read: convert it to PNG"
    readable_formats()
    for name in _RECOGNISED:
        _, accept = Image.OPEN.get(name, (None, None))
        if accept is not None and accept(data[:16].ljust(16, b"\0")) is True:
            if name not in readable_formats():
                return f"{name} is not read: convert it to PNG"
            return f"{name} that is damaged, or of a kind that Pillow does not read: convert it to 8 bits a channel"
    return "no image format that Pillow knows"
