"""The tables [[target]] and [[address]]: who is written to, and where."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from uamail.drafting import contact, facts, language, zones
from uamail.drafting.contact import Contact
from uamail.drafting.draft import Draft
from uamail.drafting.lines import Line
from uamail.drafting.passage import groups
from uamail.drafting.text import Text


def people(draft: Draft, texts: Sequence[Text]) -> None:
    """Fill them in: the primary target of all editions together, further ones, and embassies."""
    draft.data["address"], draft.data["target"] = [], []
    main = [one for one in texts if one.contact is not None and one.contact.name]
    if main:
        _primary(draft, main)
    elif (joint := next((one for one in texts if one.model is not None), None)) is not None:
        _named_in_salutation(draft, joint)
    for one in texts:
        if (more := one.edition.find("more_targets")) is not None:
            _additional(draft, more.lines, one.tag)
        if (copies := one.edition.find("copies")) is not None:
            for group in groups(copies.lines):
                _embassy(draft, group, one.tag)
    if not draft.data["target"]:
        draft.doubt("target", "nobody is named who is written to")
    _translations(draft, [one.tag for one in texts if one.model is not None])


def _translations(draft: Draft, tags: Sequence[str]) -> None:
    """Name, role and salutation are needed in the language of every letter."""
    for at, target in enumerate(draft.data["target"]):
        for key in ("name", "role", "salutation"):
            for tag in tags if target.get(key) else ():
                if tag not in target[key]:
                    target[key][tag] = ""
                    draft.doubt(f"target[{at}].{key}.{tag}", "the letter is in this language too")


def _primary(draft: Draft, texts: Sequence[Text]) -> None:
    """One target, put together from all editions."""
    contacts = {one.tag: one.contact for one in texts if one.contact is not None}
    latin = next((one for one in contacts.values() if not language.is_han(one.name)), next(iter(contacts.values())))
    at = f"target[{len(draft.data['target'])}]"
    where = _merged(draft, contacts.values())
    draft.data["target"].append(
        {
            "id": _slug(latin.name, draft.data["target"]),
            "kind": "primary",
            "address": where,
            "email": list(dict.fromkeys(mail for one in contacts.values() for mail in one.mails)),
            **_fax(draft, at, contacts.values()),
            "zone": _zone(draft, f"{at}.zone", latin.country),
            "channels": _channels(where, any(one.mails for one in contacts.values())),
            "name": {tag: one.name for tag, one in contacts.items()},
            "role": {tag: one.role for tag, one in contacts.items() if one.role},
            "salutation": _salutations(draft, at, texts),
        }
    )


def _fax(draft: Draft, at: str, contacts: Iterable[Contact]) -> dict[str, str]:
    found = list(dict.fromkeys(one.fax for one in contacts if one.fax))
    if len(found) > 1:
        draft.doubt(f"{at}.fax", f"the editions differ: {', '.join(found)}")
    return {"fax": found[0]} if found else {}


def _salutations(draft: Draft, at: str, texts: Sequence[Text]) -> dict[str, str]:
    found = {one.tag: one.model.salutation for one in texts if one.model is not None}
    return found or {"en": draft.missing(f"{at}.salutation.en")}


def _merged(draft: Draft, contacts: Iterable[Contact]) -> str:
    """The address of all editions as one entry with its lines by script; its id, empty when there is none."""
    lines: dict[str, list[str]] = {}
    others: list[str] = []
    country = None
    for one in contacts:
        country = country or one.country
        for script, found in one.lines.items():
            if lines.setdefault(script, found) != found:
                others += found
        others += one.others
    at = f"address[{len(draft.data['address'])}]"
    made = _address(draft, lines, country)
    for text in others:
        draft.doubt(f"{at}.lines.{language.script(text)}", f"the document has the address in another form too: {text}")
    return made


def _address(draft: Draft, lines: dict[str, list[str]], country: str | None) -> str:
    if not lines:
        return ""
    at = f"address[{len(draft.data['address'])}]"
    latin = lines.get("Latn", [""])[0]
    code = next((found for one in lines.values() if (found := facts.postcode(one))), None)
    if country is None and any(map(facts.british, lines.get("Latn", []))):
        country = "GB"
    entry: dict[str, Any] = {"id": _slug(latin, draft.data["address"], "address")}
    entry["country"] = country or draft.missing(f"{at}.country")
    if code is not None:
        entry["postcode"] = code
    else:
        draft.doubt(at, "no postcode was found in it")
    draft.data["address"].append({**entry, "lines": lines})
    return str(entry["id"])


def _named_in_salutation(draft: Draft, one: Text) -> None:
    """A letter to several people at once says who they are, and no more."""
    assert one.model is not None
    names = re.sub(r"^Dear\s+|[,:]$", "", one.model.salutation)
    for name in filter(None, map(str.strip, re.split(r",| and ", names))):
        at = f"target[{len(draft.data['target'])}]"
        draft.doubt(at, "only the salutation names this person: role and addresses are missing")
        made: dict[str, Any] = {
            "id": _slug(name, draft.data["target"]),
            "kind": "primary",
            "zone": draft.missing(f"{at}.zone"),
        }
        made |= {"channels": [], "joint": "all", "name": {one.tag: name}, "salutation": {one.tag: one.model.salutation}}
        draft.data["target"].append(made)


def _additional(draft: Draft, lines: Sequence[Line], tag: str) -> None:
    """Further targets as bullets (name, role), the address they share, and embassies."""
    named = [line.text for line in lines if line.bullet]
    shared: dict[str, list[str]] = {}
    country, embassies = None, []
    for group in groups([line for line in lines if not line.bullet]):
        texts = [line.text for line in group]
        if contact.is_embassy(texts):
            embassies.append(group)
        elif contact.heads_an_address(texts[0]):
            found = contact.place(texts[1:])
            shared |= found.lines
            country = country or found.country
        else:
            draft.unused += texts
    where = _address(draft, shared, country) if named else ""
    for person in named:
        _listed(draft, person, where, country, tag)
    for group in embassies:
        _embassy(draft, group, tag)


def _listed(draft: Draft, text: str, where: str, country: str | None, tag: str) -> None:
    name, _, role = re.sub(r"[,;]?(?:\s+and)?[.,;]?$", "", text).partition(",")
    at = f"target[{len(draft.data['target'])}]"
    made: dict[str, Any] = {"id": _slug(name, draft.data["target"]), "kind": "additional", "address": where}
    made |= {"zone": _zone(draft, f"{at}.zone", country), "channels": _channels(where, mail=False)}
    made |= {"name": {tag: name.strip()}, "role": {tag: role.strip()} if role else {}}
    made["salutation"] = {tag: draft.missing(f"{at}.salutation.{tag}")}
    draft.data["target"].append(made)


def _embassy(draft: Draft, group: Sequence[Line], tag: str) -> None:
    """An embassy gets a copy from the country in which it stands."""
    found = contact.read(line.text for line in group)
    if not found.is_embassy:
        draft.unused += [line.text for line in group]
        return
    where = _address(draft, found.lines, found.country)
    country = draft.data["address"][-1]["country"]
    at = f"target[{len(draft.data['target'])}]"
    made: dict[str, Any] = {"id": _slug(found.name, draft.data["target"]), "kind": "copy", "address": where}
    made |= {"email": found.mails} if found.mails else {}
    made |= {"zone": _zone(draft, f"{at}.zone", country or None), "channels": _channels(where, mail=bool(found.mails))}
    made |= {
        "copy_for": [country] if country else [],
        "name": {tag: found.name},
        "role": {tag: found.role} if found.role else {},
    }
    made["salutation"] = {tag: draft.missing(f"{at}.salutation.{tag}")}
    draft.data["target"].append(made)


def _zone(draft: Draft, path: str, country: str | None) -> str:
    known = zones.of(country) if country else ()
    if not known:
        return draft.missing(path)
    if len(known) > 1:
        draft.doubt(
            path, f"{country} has {', '.join(known[:4])}{' …' if len(known) > 4 else ''}: which is the target's?"
        )
    return known[0]


def _channels(where: str, mail: bool) -> list[str]:
    return [*(["mail"] if mail else []), *(["print"] if where else [])]


def _slug(text: str, taken: Sequence[dict[str, Any]], default: str = "target") -> str:
    """An id of small letters, digits and hyphens that none of those `taken` has."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    name = "-".join(re.findall(r"[a-z0-9]+", plain)[:4]) or default
    ids = {one["id"] for one in taken}
    return name if name not in ids else f"{name}-{len(ids) + 1}"
