"""Providers' calls about what came back: believed when they prove themselves, kept before they are answered."""

from collections.abc import Callable
from datetime import UTC, datetime

import structlog
from fastapi import APIRouter, Request, Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from uamail import db
from uamail.errors import InputError, OutsideError, SettingError
from uamail.installation import Installation
from uamail.mail.webhook import hooks
from uamail.mail.webhook.hooks import Call, Forged, Notice
from uamail.pipeline import bounces
from uamail.pipeline.bounces import Arrived
from uamail.web.certificates import Certificates

router = APIRouter()
_log = structlog.get_logger()
_ACTOR = "provider"


@router.post("/hooks/{provider}")
async def hook(provider: str, request: Request) -> Response:
    """200 when the call is kept or says nothing, 403 when it proves nothing, 404 where the provider is not set up.

    503 asks the provider to come again; it knows the call by its own name, so that none counts twice.
    """
    reader = _READERS.get(provider)
    inst: Installation = request.app.state.inst
    if reader is None or not getattr(inst.settings.bounces, _SETTINGS[provider]):
        return Response(status_code=404)
    call = Call(dict(request.headers), await request.body())
    return await run_in_threadpool(_taken, provider, reader, inst, request.app.state.certificates, call)


def _taken(provider: str, reader: "_Reader", inst: Installation, certificates: Certificates, call: Call) -> Response:
    try:
        notice = reader(inst, certificates, call, datetime.now(UTC))
        if notice is not None:
            one = Arrived(source=provider, key=notice.event, report=notice.report, trusted=True)
            with inst.db.scope() as session:
                bounces.take(session, one, terms=inst.bounce_terms, now=db.now(session), actor=_ACTOR)
    except Forged as error:
        _log.warning("call not believed", provider=provider, why=str(error))
        return Response(status_code=403)
    except InputError as error:
        _log.warning("call not read", provider=provider, why=str(error))
        return Response(status_code=400)
    except (SQLAlchemyError, OutsideError, SettingError) as error:  # of a setting: its key file is not there, or empty
        _log.error("call not kept", provider=provider, error=type(error).__name__)
        return Response(status_code=503, headers={"Retry-After": "60"})
    return Response(status_code=200)


_Reader = Callable[[Installation, Certificates, Call, datetime], Notice | None]


def _ses(inst: Installation, certificates: Certificates, call: Call, now: datetime) -> Notice | None:
    certificate = certificates.get(hooks.certificate_url(call))
    return hooks.ses(call, topic=inst.settings.bounces.ses_topic, certificate=certificate, now=now)


def _mailgun(inst: Installation, certificates: Certificates, call: Call, now: datetime) -> Notice | None:  # noqa: ARG001
    key = inst.settings.secret("bounces.mailgun_key_file", inst.settings.bounces.mailgun_key_file)
    return hooks.mailgun(call, key=key.get_secret_value(), now=now)


def _postmark(inst: Installation, certificates: Certificates, call: Call, now: datetime) -> Notice | None:  # noqa: ARG001
    login = inst.settings.secret("bounces.postmark_password_file", inst.settings.bounces.postmark_password_file)
    return hooks.postmark(call, login=login.get_secret_value())


_READERS: dict[str, _Reader] = {"ses": _ses, "mailgun": _mailgun, "postmark": _postmark}
# What has to be set for a provider's calls to be looked at.
_SETTINGS = {"ses": "ses_topic", "mailgun": "mailgun_key_file", "postmark": "postmark_password_file"}
