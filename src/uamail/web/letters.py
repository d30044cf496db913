"""A supporter's private page: how their letters stand, their proofs, no more mail. Whoever has its address has it."""

import base64
import hashlib
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response

from uamail import db
from uamail.errors import CannotCheck
from uamail.event import Event
from uamail.installation import Installation
from uamail.ledger import verify_receipt
from uamail.letters import environment, statewords
from uamail.letters.language import direction
from uamail.mail.identity import unpage
from uamail.models import audit
from uamail.pipeline import recall, receipts, suppressing
from uamail.pipeline.receipts import Standing
from uamail.queries import proving

router = APIRouter(prefix="/letters")

# Who is on record for what happens on this page.
_ACTOR = "supporter"
_CHECKER = Path(verify_receipt.__file__)
_WORDS = (
    *("title", "keep", "proof", "about", "checker", "key"),
    *("stop", "stopped", "again", "withdraw", "sure", "withdrawn", "back"),
)
_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)


@router.get("/verify_receipt.py")
def checker() -> Response:
    """The program that checks a proof, to be read before it is run."""
    return Response(_CHECKER.read_bytes(), media_type="text/plain; charset=utf-8")


@router.get("/{name}")
@router.get("/{name}/stop")
def page(name: str, request: Request) -> Response:
    """The page; 404 for a name that we never gave, and for whom we have forgotten. Looking changes nothing."""
    inst: Installation = request.app.state.inst
    return _shown(inst, name)


@router.post("/{name}/stop")
def stop(name: str, request: Request) -> Response:
    """Write no more: of the page's own button, and of a mail program's (RFC 8058: one click, no redirect)."""
    return _contact(request, name, wanted=False)


@router.post("/{name}/again")
def again(name: str, request: Request) -> Response:
    """Write again."""
    return _contact(request, name, wanted=True)


@router.get("/{name}/withdraw")
def ask(name: str, request: Request) -> Response:
    """Whether they are sure."""
    inst: Installation = request.app.state.inst
    return _shown(inst, name, asking=True)


@router.post("/{name}/withdraw")
def withdraw(name: str, request: Request) -> Response:
    """Take the letters back; a second time changes nothing."""
    inst: Installation = request.app.state.inst
    found = _standing(inst, name)
    if found is None:
        return _missing()
    if not found.withdrawn:
        with inst.db.scope() as session:
            recall.withdraw(session, _appeal(inst, name), now=db.now(session), actor=_ACTOR)
    return _shown(inst, name)


@router.post("/{name}/{number}/proof")
def proof(name: str, number: int, request: Request) -> Response:
    """The proof of one letter as a file. That it was opened is put on record."""
    inst: Installation = request.app.state.inst
    found = _standing(inst, name)
    if found is None or not 1 <= number <= len(found.ids):
        return _missing()
    delivery_id = found.ids[number - 1]
    try:
        with inst.db.reading() as session:
            made = proving.receipt(session, proving.log(session), delivery_id, keys=inst.keys)
    except CannotCheck:
        words = statewords.page_words("none", language=found.language)
        return Response(f"{words}\n", 409, media_type="text/plain; charset=utf-8")
    if made.opening is not None:
        with inst.db.scope() as session:
            audit.record_set(session, Event("receipt:opened", db.now(session), _ACTOR), "delivery", [delivery_id])
    file = f'attachment; filename="letter-{number}.tlog-proof"'
    return Response(made.text(), media_type="text/plain; charset=utf-8", headers={"Content-Disposition": file})


def _contact(request: Request, name: str, *, wanted: bool) -> Response:
    inst: Installation = request.app.state.inst
    if _standing(inst, name) is None:
        return _missing()
    with inst.db.scope() as session:
        suppressing.contact(session, _appeal(inst, name), wanted=wanted, now=db.now(session), actor=_ACTOR)
    return _shown(inst, name)


def _appeal(inst: Installation, name: str) -> int:
    """The appeal of a name, 0 for one that we never gave."""
    return unpage(inst.keys.message_id_key, name) or 0


def _standing(inst: Installation, name: str) -> Standing | None:
    with inst.db.reading() as session:
        return receipts.standing(session, _appeal(inst, name), templates_dir=inst.settings.operator_templates)


def _shown(inst: Installation, name: str, *, asking: bool = False) -> Response:
    found = _standing(inst, name)
    if found is None:
        return _missing()
    root = urlsplit(inst.settings.web.public_url).path
    context = {**_context(found, name, root=root), "asking": asking and not found.withdrawn}
    html = environment.render("web/letters.html", context, templates_dir=inst.settings.operator_templates)
    return Response(html, media_type="text/html; charset=utf-8", headers={"Content-Security-Policy": _policy(html)})


def _context(found: Standing, name: str, *, root: str = "") -> dict[str, Any]:
    said = {key: statewords.page_words(key, language=found.language) for key in _WORDS}
    rows = [
        {
            "number": str(number),
            "target": line.target_name,
            "channel": statewords.channel_words(line.channel, language=found.language),
            "state": statewords.state_words(line.state, line.detail, language=found.language, channel=line.channel),
        }
        for number, line in enumerate(found.lines, start=1)
    ]
    return {
        **said,
        "language": found.language,
        "direction": direction(found.language),
        "reference": found.reference,
        "case": found.title,
        # From the root: the page is shown at several addresses.
        "root": root,
        "here": f"{root}/letters/{name}",
        "lines": rows,
        "contact": found.contact,
        "gone": found.withdrawn,
    }


def _policy(html: str) -> str:
    """Nothing but the page's own style, and its forms to ourselves."""
    styles = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in _STYLE.findall(html)]
    allowed = " ".join(f"'sha256-{one}'" for one in styles)
    return f"default-src 'none'; style-src {allowed}; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"


def _missing() -> Response:
    return Response("there is no such page\n", 404, media_type="text/plain")
