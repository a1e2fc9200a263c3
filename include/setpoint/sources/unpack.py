"""Reading bytes that came from outside, and undoing their compression, never holding more than is allowed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

Codec = Literal["gzip", "bz2", "zstd", "lz4"]

CODECS: dict[str, Codec] = {
    ".gz": "gzip",
    ".gzip": "gzip",
    ".bz2": "bz2",
    ".zst": "zstd",
    ".zstd": "zstd",
    ".lz4": "lz4",
}
"""The codec an object's name tells of."""

_CHUNK_BYTES = 1 << 20


class TooLargeError(Exception):
    """There is more than may be held."""


class BrokenError(Exception):
    """The bytes are not what they should be: cut off, or no such compression. The message says which."""


def read_bounded(read: Callable[[int], bytes], max_bytes: int, go_on: Callable[[], None] = lambda: None) -> bytes:
    """Everything a reader gives.

    :param read: gives up to so many bytes, and none at the end.
    :param go_on: asked before each piece; it raises when there is no use in going on.
    :raises TooLargeError: it gives more than ``max_bytes``.
    """
    pieces: list[bytes] = []
    left = max_bytes + 1
    while left > 0:
        go_on()
        piece = read(min(_CHUNK_BYTES, left))
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
        left -= len(piece)
    raise TooLargeError(f"more than {max_bytes // 1_000_000} MB")


def unpacked(content: bytes, codec: Codec | None, max_bytes: int, go_on: Callable[[], None] = lambda: None) -> bytes:
    """Content without its compression. A few bytes may unpack to gigabytes, so it stops at ``max_bytes``.

    :param codec: ``None`` when it is not compressed.
    :raises TooLargeError: it unpacks to more than ``max_bytes``.
    :raises BrokenError: it is cut off, altered, or not compressed in this way.
    """
    import pyarrow as pa

    if codec is None:
        if len(content) > max_bytes:
            raise TooLargeError(f"more than {max_bytes // 1_000_000} MB")
        return content
    if not content:
        raise BrokenError(f"it is empty, which is no {codec}")
    try:
        with pa.CompressedInputStream(pa.BufferReader(content), codec) as stream:
            return read_bounded(stream.read, max_bytes, go_on)
    except (OSError, pa.ArrowException) as error:
        raise BrokenError(f"it is not complete {codec}: {error}") from error
