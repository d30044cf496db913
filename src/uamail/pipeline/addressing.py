"""The desk for addresses on paper: labels and envelopes of a batch, in its folder or again by hand."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from uamail.errors import PrintError
from uamail.letters import environment
from uamail.printing import label
from uamail.printing.postal import AddressLine

Lines = tuple[AddressLine, ...]


@dataclass(frozen=True, kw_only=True)
class Run:
    """One addressee's labels: the address in all its forms, fullest first, and how many are printed."""

    forms: Sequence[Lines]
    copies: int


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How they are printed: the sender's line ("" for none) and the printer's calibration, mm right and down."""

    sender: str = ""
    shift: tuple[float, float] = (0.0, 0.0)


def labels(
    runs: Sequence[Run],
    *,
    stock: str,
    setting: Setting,
    to_pdf: Callable[[str], bytes],
    start: int = 1,
    outlines: bool = False,
) -> bytes:
    """A PDF of labels on sheets of that stock, one a letter, in the order given; `start` is the first free label.

    Raises NotFound for an unknown stock, ValueError for a start that is not on the sheet, PrintError for an address
    that does not fit in its shortest form.
    """
    sheet = label.sheet(stock)

    def context(some: Sequence[label.Label], first: int) -> dict[str, Any]:
        dx, dy = setting.shift
        return label.sheet_context(some, sheet=sheet, start=first, dx=dx, dy=dy, outlines=outlines)

    chosen = [_fitting(run, setting.sender, lambda one: context([one], 1)) for run in runs]
    return _printed("print/label.html", context(chosen, start), to_pdf)


def envelopes(
    runs: Sequence[Run], *, size: str, setting: Setting, to_pdf: Callable[[str], bytes], outlines: bool = False
) -> bytes:
    """A PDF of printed envelopes of that size, one a letter. Raises NotFound for an unknown size, and PrintError."""
    envelope = label.envelope(size)

    def context(some: Sequence[label.Label]) -> dict[str, Any]:
        dx, dy = setting.shift
        return label.envelope_context(some, envelope=envelope, dx=dx, dy=dy, outlines=outlines)

    chosen = [_fitting(run, setting.sender, lambda one: context([one])) for run in runs]
    return _printed("print/envelope.html", context(chosen), to_pdf)


def _fitting(run: Run, sender: str, context: Callable[[label.Label], object]) -> label.Label:
    """The fullest form of the address that fits; the shortest one is left to fail by itself.

    On a small label the destination's script is worth more than the sender's line.
    """
    *fuller, shortest = run.forms
    for lines, shown in ((lines, shown) for shown in dict.fromkeys((sender, "")) for lines in fuller):
        with suppress(PrintError):
            context(label.Label(lines, sender=shown))
            return label.Label(lines, copies=run.copies, sender=shown)
    return label.Label(shortest, copies=run.copies, sender=sender)


def _printed(template: str, context: dict[str, Any], to_pdf: Callable[[str], bytes]) -> bytes:
    repeats = context.pop("repeats")
    return label.collate(to_pdf(environment.render(template, context)), repeats)
