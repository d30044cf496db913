"""The page tree of a PDF that is written as a stream: balanced, and open for pages that come later."""

from collections.abc import Sequence
from typing import Final

from uamail.printing.stitched.writer import Writer, references

_KIDS: Final = 64  # of a node: a reader finds page 10,000 in three steps


class Leaf:
    """A node that holds pages; its pages name it, so it has a number before it is written."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.pages: list[int] = []


class Tree:
    """Pages in order; leaves may be filled in any order until `finish`."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._leaves: list[Leaf] = []
        self._open: Leaf | None = None

    def leaf(self) -> Leaf:
        """The node for the pages that come next."""
        if self._open is None or len(self._open.pages) >= _KIDS:
            self._open = self._added()
        return self._open

    def reserved(self) -> Leaf:
        """A node of its own at this place, for pages that are written later."""
        self._open = None
        return self._added()

    def _added(self) -> Leaf:
        self._leaves.append(Leaf(self._writer.number()))
        return self._leaves[-1]

    def finish(self) -> int:
        """Write the nodes, those without a page left out; the number of the root."""
        level = [(leaf.number, leaf.pages, len(leaf.pages)) for leaf in self._leaves if leaf.pages]
        root = self._writer.number()
        while len(level) > _KIDS:
            groups = [level[start : start + _KIDS] for start in range(0, len(level), _KIDS)]
            level = [self._joined(group) for group in groups]
        for number, kids, count in level:
            self._node(number, kids, count, parent=root)
        self._node(root, [number for number, _, _ in level], sum(count for _, _, count in level), parent=None)
        return root

    def _joined(self, group: Sequence[tuple[int, list[int], int]]) -> tuple[int, list[int], int]:
        parent = self._writer.number()
        for number, kids, count in group:
            self._node(number, kids, count, parent=parent)
        return parent, [number for number, _, _ in group], sum(count for _, _, count in group)

    def _node(self, number: int, kids: Sequence[int], count: int, *, parent: int | None) -> None:
        above = b"" if parent is None else b"/Parent %d 0 R" % parent
        self._writer.small(b"<</Type/Pages%b/Count %d/Kids%b>>" % (above, count, references(kids)), number)
