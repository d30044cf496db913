"""Whether the house stands, and its metrics: for a load balancer and Prometheus."""

import ipaddress

from fastapi import APIRouter, Request, Response
from sqlalchemy.exc import SQLAlchemyError

from uamail import db
from uamail.installation import Installation
from uamail.queries import metrics

router = APIRouter()


@router.get("/healthz")
def healthz(request: Request) -> Response:
    """200 while the database answers, else 503; it says no more, because anybody may ask."""
    inst: Installation = request.app.state.inst
    try:
        with inst.db.reading() as session:
            db.now(session)
    except SQLAlchemyError:
        return Response("the database does not answer\n", 503, media_type="text/plain")
    return Response("ok\n", media_type="text/plain")


@router.get("/metrics")
def prometheus(request: Request) -> Response:
    """All metrics, to this machine only: counts per target are nobody else's business."""
    if not _from_here(request):
        return Response(status_code=404)
    inst: Installation = request.app.state.inst
    with inst.db.reading() as session:
        text = metrics.render(session, now=db.now(session))
    return Response(text, media_type="text/plain; version=0.0.4")


def _from_here(request: Request) -> bool:
    """Whether the connection itself comes from this machine and no proxy has passed it on."""
    if request.client is None or "x-forwarded-for" in request.headers or "forwarded" in request.headers:
        return False
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
