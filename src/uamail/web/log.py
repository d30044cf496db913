"""The log for everybody: its newest checkpoint and its tiles (C2SP tlog-tiles), as static files would be."""

from fastapi import APIRouter, Request, Response

from uamail.errors import CannotCheck, NotFound
from uamail.installation import Installation
from uamail.ledger import tiles
from uamail.queries import proving

router = APIRouter(prefix="/log")

# A tile never changes; a checkpoint does every few seconds.
_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_BRIEFLY = {"Cache-Control": "public, max-age=5"}


@router.get("/checkpoint")
def checkpoint(request: Request) -> Response:
    """The newest checkpoint with its cosignatures; 404 while nothing is signed."""
    inst: Installation = request.app.state.inst
    with inst.db.reading() as session:
        try:
            note = proving.log(session).note
        except CannotCheck:
            return Response(status_code=404)
    return Response(note, media_type="text/plain; charset=utf-8", headers=_BRIEFLY)


@router.get("/keys")
def keys(request: Request) -> Response:
    """The verifier lines; whoever can be lied to here gets them over another channel as well."""
    inst: Installation = request.app.state.inst
    return Response(inst.log_keys.text(), media_type="text/plain; charset=utf-8", headers=_BRIEFLY)


@router.get("/tile/{path:path}")
def tile(path: str, request: Request) -> Response:
    """The hashes of one tile; 404 for one that no checkpoint covers yet."""
    inst: Installation = request.app.state.inst
    with inst.db.reading() as session:
        try:
            wanted = tiles.parse(path)
            log = proving.log(session)
            if not wanted.within(log.size):
                return Response(status_code=404)
            body = wanted.hashes(log.shelf)
        except (NotFound, CannotCheck):
            return Response(status_code=404)
    return Response(body, media_type="application/octet-stream", headers=_FOREVER)
