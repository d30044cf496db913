"""The tree as static files (C2SP tlog-tiles): 256 hashes in a tile, so that anybody may fetch and check its proofs.

Tiles hold hashes alone. The entries themselves are not published: they name the staff.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from uamail.errors import NotFound
from uamail.ledger.nodes import Shelf

HEIGHT = 8
FULL = 1 << HEIGHT
# The specification stops at level 5 of tiles: 2^48 entries.
_TOP = 5
_PLACE = re.compile(r"([0-5])/((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


@dataclass(frozen=True)
class Tile:
    """Hashes of tree level 8 × `level`, from position 256 × `index` on, `width` of them: 256 when it is full."""

    level: int
    index: int
    width: int = FULL

    def path(self) -> str:
        """Such as "0/x001/x234/067" or, of an unfinished one, "1/000.p/17"."""
        digits = f"{self.index:d}".zfill(-(-len(str(self.index)) // 3) * 3)
        groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        name = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
        return f"{self.level}/{name}" + ("" if self.width == FULL else f".p/{self.width}")

    def within(self, size: int) -> bool:
        """Whether a tree of that size has all its hashes."""
        return (self.index * FULL + self.width) << (HEIGHT * self.level) <= size

    def hashes(self, shelf: Shelf) -> bytes:
        """`width` × 32 bytes. Raises KeyError when the stored tree lacks one."""
        first = self.index * FULL
        return b"".join(shelf.get(HEIGHT * self.level, first + place) for place in range(self.width))


def parse(path: str) -> Tile:
    """The tile of a path. Raises NotFound for what is none."""
    found = _PLACE.fullmatch(path)
    if found is None:
        raise NotFound(f"{path[:60]} is no tile")
    tile = Tile(int(found[1]), int(found[2].replace("/", "").replace("x", "")), int(found[3] or FULL))
    # One tile has one name.
    if tile.width > FULL or tile.path() != path:
        raise NotFound(f"{path[:60]} is no tile")
    return tile


def tiles(size: int, *, before: int = 0) -> Iterator[Tile]:
    """All tiles of a tree of that size, but those full at size `before` already; the last of a level may be a part."""
    for level in range(_TOP + 1):
        here, there = size >> (HEIGHT * level), before >> (HEIGHT * level)
        if not here:
            return
        for index in range(there // FULL, -(-here // FULL)):
            yield Tile(level, index, min(FULL, here - index * FULL))
