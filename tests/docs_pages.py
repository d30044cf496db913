"""The documentation as data: pages, their headings, tables, links and command blocks."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"

_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NOT_RUN = re.compile(r"<!-- not run: (.+?) -->\s*\Z", re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_CODES = re.compile(r"#\s*exit code (\d+)\s*$")
RUN = ("console", "sh", "bash", "shell")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, text, and the reason why it is not run, if there is one."""

    language: str
    text: str
    not_run: str | None


@dataclass(frozen=True)
class Command:
    """One command of a console block, the exit code it is shown with, and the output lines below it."""

    text: str
    code: int
    shown: tuple[str, ...]

    @property
    def background(self) -> bool:
        return self.text.rstrip().endswith("&")


def pages() -> list[Path]:
    """README.md and every page of docs/."""
    return [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]


def text_of(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def blocks(text: str) -> Iterator[Block]:
    """Every fenced block of a page."""
    for match in _FENCE.finditer(text):
        reason = _NOT_RUN.search(text[: match.start()])
        yield Block(match[1], match[2], reason[1] if reason else None)


def prose(text: str) -> str:
    """A page without its fenced blocks and comments."""
    return re.sub(r"<!--.*?-->", "", _FENCE.sub("", text), flags=re.DOTALL)


def commands(block: Block) -> Iterator[Command]:
    """The commands of a console block: "$ " begins one, "> " goes on, anything else is output."""
    typed: list[str] = []
    shown: list[str] = []
    for line in [*block.text.splitlines(), "$ "]:
        if line.startswith("$ "):
            if typed:
                yield _command(typed, shown)
            typed, shown = [line[2:]], []
        elif (line == ">" or line.startswith("> ")) and not shown:
            typed.append(line[2:])
        else:
            shown.append(line)


def _command(typed: list[str], shown: list[str]) -> Command:
    code = _CODES.search(typed[0])
    return Command("\n".join(typed), int(code[1]) if code else 0, tuple(line for line in shown if line.strip()))


def links(text: str) -> list[str]:
    """Targets of the links and pictures of a page."""
    return _LINK.findall(prose(text))


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def section(text: str, heading: str) -> str:
    """What stands under a heading, up to the next heading of its level or above."""
    level = re.search(rf"^(#+) {re.escape(heading)}$", text, re.MULTILINE)
    assert level is not None, f"no heading {heading!r}"
    rest = text[level.end() :]
    end = re.search(rf"^#{{1,{len(level[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def rows(text: str) -> dict[str, str]:
    """The tables of a text: the code in the first cell -> the rest of the row."""
    found = {}
    for line in text.splitlines():
        match = re.match(r"^\| `([^`]+)` \|(.*)\|$", line.strip())
        if match:
            assert match[1] not in found, f"{match[1]} stands there twice"
            found[match[1]] = match[2]
    return found


def codes(text: str) -> list[str]:
    """Everything in backticks outside the blocks."""
    return _CODE.findall(prose(text))
