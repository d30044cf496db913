"""`uamail dkim`: the keys that sign the mail, and what has to stand in the DNS for them."""

import os
import re
from typing import Annotated

import typer

from uamail.cli.desk import HomeOption, JsonOption, opened, out, show
from uamail.errors import InputError, RuleRefused
from uamail.mail import dkimkey
from uamail.settings import SELECTOR

app = typer.Typer(help="DKIM keys: key.", no_args_is_help=True)


@app.command()
def key(
    home: HomeOption,
    selector: Annotated[str, typer.Option("--selector", help="The name of the key in the DNS, as in ua2026.")],
    kind: Annotated[dkimkey.Kind, typer.Option("--kind", help="rsa, or ed25519 to sign beside it.")] = "rsa",
    as_json: JsonOption = False,
) -> None:
    """Make a DKIM key in the home's keys and print the DNS record of its public half.

    An existing key is never written over; a new key gets a new selector.
    """
    if not re.fullmatch(SELECTOR, selector):
        raise InputError("--selector: must be a DNS label, as in ua2026")
    with opened(home) as inst:
        file, domain = inst.home.keys / f"dkim-{selector}.pem", inst.settings.dkim_domain
    pem = dkimkey.make(kind)
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise RuleRefused(f"there is a key dkim-{selector}.pem already: choose another selector") from None
    with os.fdopen(handle, "wb") as kept:
        kept.write(pem)
        kept.flush()
        os.fsync(kept.fileno())
    text = dkimkey.record(dkimkey.read(pem, kind=kind).public_key())
    name = f"{selector}._domainkey.{domain}"
    if as_json:
        show({"file": str(file), "kind": kind, "name": name, "record": text}, as_json)
        return
    lines = (str(file), f"for the DNS of {domain}:", dkimkey.zone_line(name, text))
    # As one line, however wide: a zone file does not forgive a break within a string.
    out.print("\n".join(lines), markup=False, soft_wrap=True)
