"""Proofing: what is held against pages before anybody else sees them, in the layout process."""

from collections.abc import Mapping, Sequence
from hashlib import sha256

from uamail.errors import PrintError
from uamail.pipeline import contents, folder, forming
from uamail.pipeline.folder import Job, Sheet
from uamail.printing import oracle, preflight, scanning, sums
from uamail.printing.form import Piece
from uamail.printing.page import PiecePages
from uamail.printing.rendered import Rendered
from uamail.printing.sheetcode import SheetCode
from workers.broker import installation
from workers.press import Press

# Kinds of letters that this process has seen both lanes set alike, by profile, calibration and template.
_proved: dict[tuple[object, ...], set[oracle.Kind]] = {}

Expected = tuple[Mapping[int, Sequence[str]], Mapping[int, str]]


def expected(letters: Mapping[int, Sheet]) -> Expected:
    """Address lines and words that must be found on the pages of these pieces."""
    addresses = {number: sheet.address for number, sheet in letters.items() if sheet.address}
    texts = {number: sheet.source.text for number, sheet in letters.items() if sheet.source is not None}
    return addresses, texts


def consult(job: Job, sources: Sequence[Piece], rendered: Rendered, press: Press) -> None:
    """Compare letters of the fast lane with the slow one. Raises PrintError, and the batch fails, when they differ."""
    settings = installation().settings.print
    slow = {one.number for one in rendered.detours} | {one.number for one in rendered.refused}
    fast = [piece for piece in sources if piece.number not in slow]
    known = _proved.setdefault(_paper(job), set())
    some, kinds = oracle.novel(fast, known, most=settings.oracle_letters)
    if _drawn(job, share=settings.oracle_share):
        some += oracle.spread(fast, most=settings.oracle_letters - len(some))
    if not some:
        return
    press.do(oracle.require, [*dict.fromkeys(some)], rendered, profile=job.profile)
    known |= kinds


def _paper(job: Job) -> tuple[object, ...]:
    """What all letters of a kind have in common: the profile, the printer's calibration and the template."""
    return job.profile.sha256, job.profile.shift, forming.edition(installation().settings.operator_templates)


def _drawn(job: Job, *, share: float) -> bool:
    """Whether the batch is one of the sample: by its name, so that a second try compares again."""
    return int.from_bytes(sha256(job.name.encode()).digest()[:4], "big") < share * 2**32


def require_sample(job: Job, sheets: Sequence[Sheet], rendered: Rendered, press: Press) -> None:
    """Structure, fonts and ink of every page; code, words and window of a sample. Raises PrintError for a finding."""
    some = {one.number: one for one in folder.specimens(sheets, rendered, share=_share())}
    codes = {page: code for page, code in folder.codes(job, rendered.pages).items() if code.piece in some}
    problem = press.do(finding, job, rendered.pdf, rendered.pages, expected(some), codes)
    if problem is not None:
        raise PrintError(problem)


def _share() -> float:
    return installation().settings.print.preflight_share


def finding(
    job: Job, pdf: bytes, pages: Sequence[PiecePages], wanted: Expected, codes: Mapping[int, SheetCode]
) -> str | None:
    """What preflight says, its first finding in words."""
    addresses, texts = wanted
    found = preflight.check(pdf, profile=job.profile, pages=pages, address_texts=addresses, texts=texts)
    findings = (*found, *(() if found else scanning.misread(pdf, codes, profile=job.profile)))
    if not findings:
        return None
    more = f"; {len(findings) - 1} more findings" if len(findings) > 1 else ""
    return f"{findings[0].words}{more}"


def require_sums(job: Job, files: Mapping[str, bytes]) -> None:
    """Gates 10 and 11. Raises PrintError for a finding."""
    for finding in sums.check(files, paper=contents.paper(job), duplex=job.profile.duplex):
        raise PrintError(finding.words)
