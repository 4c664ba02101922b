"""How bodies travel between nodes: the forms themselves, and their compression.

The forms are those of ``nodes.core.exchange``, given out here for clients and servers. Compression
belongs to the transport (``Content-Encoding: gzip``), so the core never sees it.
"""

import zlib
from typing import Final

from ledger.errors import MalformedError
from nodes.core.exchange import (
    ADD_CHECKPOINT,
    ADD_ENTRIES,
    FINISHED,
    LINES,
    MIRROR,
    MIRROR_INFO_TYPE,
    NEWEST,
    SIZE_TYPE,
    MirrorInfo,
    Package,
    Upload,
    decode_lines,
    decode_old,
    decode_size,
    encode_add_checkpoint,
    encode_lines,
    encode_size,
    origin_hash,
    split_add_checkpoint,
)

__all__ = [
    "ADD_CHECKPOINT",
    "ADD_ENTRIES",
    "FINISHED",
    "LINES",
    "MIRROR",
    "MIRROR_INFO_TYPE",
    "NEWEST",
    "SIZE_TYPE",
    "MirrorInfo",
    "Package",
    "Upload",
    "compress",
    "decode_lines",
    "decode_old",
    "decode_size",
    "decompress",
    "encode_add_checkpoint",
    "encode_lines",
    "encode_size",
    "origin_hash",
    "split_add_checkpoint",
]

GZIP_WINDOW: Final = 31  # 15 bits of window, and 16 for gzip's own header and trailer
GZIP_LEVEL: Final = 1  # signatures and hashes do not compress, whatever the effort


def compress(body: bytes) -> bytes:
    """Return the body as one gzip member, the same bytes each time."""
    packer = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, GZIP_WINDOW)
    return packer.compress(body) + packer.flush()


def decompress(data: bytes, bytes_max: int) -> bytes:
    """Return what a gzip body holds, without ever making more than ``bytes_max`` of it.

    Raises:
        MalformedError: It is not one whole gzip member; ``too-large`` if it holds more.
    """
    unpacker = zlib.decompressobj(GZIP_WINDOW)
    try:
        body = unpacker.decompress(data, bytes_max + 1)
    except zlib.error as error:
        raise MalformedError("not a gzip body") from error
    if len(body) > bytes_max:
        raise MalformedError(f"a body has at most {bytes_max} bytes", code="too-large")
    if not unpacker.eof or unpacker.unused_data:
        raise MalformedError("not one whole gzip member")
    return body
