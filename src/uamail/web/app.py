"""The application: its routes, behind one guard."""

from fastapi import FastAPI

from uamail.installation import Installation
from uamail.web import certificates, health, hooks, letters, log
from uamail.web.guard import Guard


def make(inst: Installation, *, fetch: certificates.Fetch = certificates.fetch) -> FastAPI:
    """The application of a home; `fetch` gets the certificates that Amazon signs with."""
    app = FastAPI(title="uamail", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.inst, app.state.certificates = inst, certificates.Certificates(fetch)
    app.include_router(health.router)
    app.include_router(hooks.router)
    app.include_router(log.router)
    app.include_router(letters.router)
    app.add_middleware(Guard)
    return app
