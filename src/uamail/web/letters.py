"""A supporter's private page: how their letters stand, and the proof of each. Whoever has its address has the page."""

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

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
from uamail.pipeline import receipts
from uamail.pipeline.receipts import Standing
from uamail.queries import proving

router = APIRouter(prefix="/letters")

# Who is on record for what happens on this page.
_ACTOR = "supporter"
_CHECKER = Path(verify_receipt.__file__)
_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)


@router.get("/verify_receipt.py")
def checker() -> Response:
    """The program that checks a proof, to be read before it is run."""
    return Response(_CHECKER.read_bytes(), media_type="text/plain; charset=utf-8")


@router.get("/{name}")
def page(name: str, request: Request) -> Response:
    """The page; 404 for a name that we never gave, and for whom we have forgotten."""
    inst: Installation = request.app.state.inst
    found = _standing(inst, name)
    if found is None:
        return _missing()
    html = environment.render("web/letters.html", _context(found, name), templates_dir=inst.settings.operator_templates)
    return Response(html, media_type="text/html; charset=utf-8", headers={"Content-Security-Policy": _policy(html)})


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


def _standing(inst: Installation, name: str) -> Standing | None:
    appeal_id = unpage(inst.keys.message_id_key, name)
    if appeal_id is None:
        return None
    with inst.db.reading() as session:
        return receipts.standing(session, appeal_id, templates_dir=inst.settings.operator_templates)


def _context(found: Standing, name: str) -> dict[str, Any]:
    said = {key: statewords.page_words(key, language=found.language) for key in ("title", "keep", "proof", "about")}
    said |= {key: statewords.page_words(key, language=found.language) for key in ("checker", "key")}
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
        "name": name,
        "lines": rows,
    }


def _policy(html: str) -> str:
    """Nothing but the page's own style, and its forms to ourselves."""
    styles = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in _STYLE.findall(html)]
    allowed = " ".join(f"'sha256-{one}'" for one in styles)
    return f"default-src 'none'; style-src {allowed}; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"


def _missing() -> Response:
    return Response("there is no such page\n", 404, media_type="text/plain")
