"""What the parts of an action file must be to one another."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from uamail.actions import checks
from uamail.actions.values import ActionFile, Target


class Complaint(NamedTuple):
    """A dotted key of the file, the value there and what to do about it."""

    key: str
    value: object
    remedy: str


def complaints(action: ActionFile) -> Iterator[Complaint]:
    """Everything that does not fit together; empty when all is well."""
    for rule in _RULES:
        yield from rule(action)


def _twice(keys: Sequence[str], *, form: str) -> Iterator[Complaint]:
    """A complaint for each repetition; `form` is the key with a {} for its number."""
    for at, key in enumerate(keys):
        if key in keys[:at]:
            yield Complaint(form.format(at), key, f"{form.format(keys.index(key))} has it already; keep one")


def _unique(action: ActionFile) -> Iterator[Complaint]:
    yield from _twice(action.languages, form="action.languages[{}]")
    yield from _twice([office.country for office in action.offices], form="office[{}].country")
    yield from _twice([address.id for address in action.addresses], form="address[{}].id")
    yield from _twice([target.id for target in action.targets], form="target[{}].id")
    yield from _twice([letter.language for letter in action.letters], form="letter[{}].language")
    for at, target in enumerate(action.targets):
        yield from _twice(target.channels, form=f"target[{at}].channels[{{}}]")
        yield from _twice(target.email, form=f"target[{at}].email[{{}}]")
        yield from _twice(target.copy_for, form=f"target[{at}].copy_for[{{}}]")


def _closure(action: ActionFile) -> Iterator[Complaint]:
    closed = {"closed_on": action.closed_on, "closed_reason": action.closed_reason}
    for name, value in closed.items():
        if action.status == "closed" and value is None:
            yield Complaint(f"action.{name}", None, 'a closed action needs it; write it or set status = "open"')
        if action.status == "open" and value is not None:
            yield Complaint(f"action.{name}", value, 'an open action has none; set status = "closed" or leave it out')


def _days(action: ActionFile) -> Iterator[Complaint]:
    if action.deadline is not None and action.deadline.date < action.issued:
        yield Complaint(
            "action.deadline.date", action.deadline.date, f"it was issued on {action.issued}; write a later day"
        )
    if action.closed_on is not None and action.closed_on < action.issued:
        yield Complaint("action.closed_on", action.closed_on, f"it was issued on {action.issued}; write a later day")


def _languages(action: ActionFile) -> Iterator[Complaint]:
    first = action.languages[0]
    if first not in [letter.language for letter in action.letters]:
        remedy = f'write a [[letter]] with language = "{first}" or put another language first'
        yield Complaint("action.languages[0]", first, remedy)


def _addressees(action: ActionFile) -> Iterator[Complaint]:
    if all(target.kind == "copy" for target in action.targets):
        yield Complaint("target", None, 'write at least one target with kind = "primary"')


def _each_target(action: ActionFile) -> Iterator[Complaint]:
    for at, target in enumerate(action.targets):
        for rule in (_postal, _means, _digests, _copies):
            yield from rule(action, target, f"target[{at}]")
        yield from _wording(action, target, f"target[{at}]")


def _postal(action: ActionFile, target: Target, key: str) -> Iterator[Complaint]:
    known = [address.id for address in action.addresses]
    if target.address is not None and target.address not in known:
        hint = checks.nearest(target.address, known) if known else "write an [[address]] with this id"
        yield Complaint(f"{key}.address", target.address, f"no [[address]] has this id; {hint}")


def _means(_: ActionFile, target: Target, key: str) -> Iterator[Complaint]:
    needs: Mapping[str, tuple[str, object]] = {
        "mail": ("email", target.email),
        "print": ("address", target.address),
        "fax": ("fax", target.fax),
    }
    for at, channel in enumerate(target.channels):
        name, value = needs[channel]
        if not value:
            yield Complaint(f"{key}.channels[{at}]", channel, f"write {name} for this target or leave the channel out")


def _digests(_: ActionFile, target: Target, key: str) -> Iterator[Complaint]:
    if target.mail == "digest" and "mail" not in target.channels:
        yield Complaint(f"{key}.mail", target.mail, 'a digest is mail: add "mail" to channels or leave it out')


def _copies(_: ActionFile, target: Target, key: str) -> Iterator[Complaint]:
    if target.kind == "copy" and not target.copy_for:
        yield Complaint(f"{key}.copy_for", None, 'name the senders\' countries, like copy_for = ["GB"]')
    if target.kind != "copy" and target.copy_for:
        yield Complaint(f"{key}.copy_for", list(target.copy_for), 'only kind = "copy" has it; leave it out')


def _wording(action: ActionFile, target: Target, key: str) -> Iterator[Complaint]:
    words = {"name": target.name, "role": target.role, "salutation": target.salutation}
    for at, letter in enumerate(action.letters):
        for name, by_language in words.items():
            # A target need not have a role; one that has it has it in every letter.
            if letter.language not in by_language and (by_language or name != "role"):
                remedy = f"letter[{at}] is in {letter.language}; write the {name} in that language too"
                yield Complaint(f"{key}.{name}.{letter.language}", None, remedy)


def _joint(action: ActionFile) -> Iterator[Complaint]:
    groups = Counter(target.joint for target in action.targets if target.joint)
    for at, target in enumerate(action.targets):
        if target.joint and groups[target.joint] == 1:
            others = [group for group in groups if group != target.joint]
            hint = checks.nearest(target.joint, others) if others else "leave it out"
            remedy = f"nobody else is in this group; {hint}"
            yield Complaint(f"target[{at}].joint", target.joint, remedy)


_RULES: Iterable[Callable[[ActionFile], Iterator[Complaint]]] = (
    *(_unique, _closure, _days, _languages, _addressees, _each_target, _joint),
)
