"""The streaming writer: what it writes is a PDF that other programs read, and the same each time."""

import io

import pikepdf
import pytest

from uamail.printing.stitched.pagetree import Tree
from uamail.printing.stitched.writer import Copier, Writer


def written(pages: int, *, late: int | None = None) -> bytes:
    """Pages whose width is their number; page `late` is written last, into a place kept for it."""
    out = io.BytesIO()
    writer = Writer(out)
    tree = Tree(writer)
    kept = None
    for number in range(1, pages + 1):
        if number == late:
            kept = tree.reserved()
            continue
        leaf = tree.leaf()
        leaf.pages.append(page(writer, number, leaf.number))
    if kept is not None and late is not None:
        kept.pages.append(page(writer, late, kept.number))
    writer.finish(writer.small(b"<</Type/Catalog/Pages %d 0 R>>" % tree.finish()))
    return out.getvalue()


def page(writer: Writer, width: int, parent: int) -> int:
    content = writer.stream(b"% page\n" * 20)
    return writer.small(
        b"<</Type/Page/Parent %d 0 R/MediaBox[0 0 %d 9]/Resources<<>>/Contents %d 0 R>>" % (parent, width, content)
    )


def depth(node: pikepdf.Object) -> int:
    return 1 + max((depth(kid) for kid in node.Kids), default=0) if "/Kids" in node else 0


@pytest.mark.parametrize("pages", [1, 63, 64, 65, 1000, 5000])
def test_pages_come_back_in_order(pages: int) -> None:
    with pikepdf.open(io.BytesIO(written(pages))) as pdf:
        assert [int(one.mediabox[2]) for one in pdf.pages] == list(range(1, pages + 1))
        assert pdf.check_pdf_syntax() == []


def test_late_page_stands_where_it_belongs() -> None:
    with pikepdf.open(io.BytesIO(written(200, late=77))) as pdf:
        assert [int(one.mediabox[2]) for one in pdf.pages] == list(range(1, 201))


def test_place_that_stays_empty_leaves_no_page() -> None:
    out = io.BytesIO()
    writer = Writer(out)
    tree = Tree(writer)
    tree.reserved()
    leaf = tree.leaf()
    leaf.pages.append(page(writer, 5, leaf.number))
    writer.finish(writer.small(b"<</Type/Catalog/Pages %d 0 R>>" % tree.finish()))

    with pikepdf.open(io.BytesIO(out.getvalue())) as pdf:
        assert [int(one.mediabox[2]) for one in pdf.pages] == [5]


def test_tree_is_flat_enough() -> None:
    with pikepdf.open(io.BytesIO(written(10_000))) as pdf:
        assert depth(pdf.Root.Pages) == 3


def test_equal_calls_give_equal_bytes() -> None:
    assert written(300) == written(300)
    assert written(300) != written(301)


def test_nothing_tells_who_wrote_it() -> None:
    with pikepdf.open(io.BytesIO(written(3))) as pdf:
        assert set(pdf.Root.keys()) == {"/Type", "/Pages"}
        assert "/Info" not in pdf.trailer


def test_objects_of_another_file_come_along_once() -> None:
    source = pikepdf.new()
    shared = source.make_stream(b"shared " * 50)
    first = source.make_indirect(pikepdf.Dictionary(A=shared, B=[shared, 1.5, True, pikepdf.Name("/X y")], C="text"))
    out = io.BytesIO()
    writer = Writer(out)
    copier = Copier(writer)
    tree = Tree(writer)
    leaf = tree.leaf()
    leaf.pages.append(page(writer, 5, leaf.number))
    extra = copier.text(first)
    writer.finish(writer.small(b"<</Type/Catalog/Pages %d 0 R/Extra %b>>" % (tree.finish(), extra)))

    with pikepdf.open(io.BytesIO(out.getvalue())) as pdf:
        brought = pdf.Root.Extra
        assert brought.A.objgen == brought.B[0].objgen
        assert brought.A.read_bytes() == b"shared " * 50
        assert [brought.B[1], brought.B[2], str(brought.B[3]), str(brought.C)] == [
            pytest.approx(1.5), True, "/X y", "text",
        ]  # fmt: skip
