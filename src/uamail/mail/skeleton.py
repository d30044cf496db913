"""The skeleton: all letters of one form to one target share it, so that only what differs is written per letter."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from typing import NamedTuple, Protocol

from uamail.errors import InputError
from uamail.mail.fieldline import date_line, from_line, id_line, reply_line
from uamail.mail.message import Mail, Party, build, inlined, octets
from uamail.mail.shape import PARAGRAPHS, Shape, is_simple, mark, markup, plain, rows

# The letter that is cut, and the lines that prove the cut.
_SENDER, _ID, _DATE = ("Zoë", "proof@uamail.example"), "<proof@uamail.example>", "Fri, 20 Nov 2026 12:34:00 +0000"
AWKWARD = (
    """<b>&amp;&lt;"O'Brien" \\ % %s {} {{ x }} {% y %} = ?x?=""",
    "\u202bئابدۇرېھىم\xa0ئوسمان\u202c می\u200cخواهد\u00ad क्\u200dष",
    "𠮷野家 🕯\ufe0f e\u0301\u0323 ǅ ß ﬁ \ufeff Ω\u3000習近平",
    "x",
    "A line that is long " * 12 + "and ends",
)


class Own(NamedTuple):
    """Own words as the letter shows them; a paragraph may hold "\\n", the closing may be empty."""

    salutation: str
    paragraphs: tuple[str, ...]
    closing: str


class Words(Protocol):
    """A rendered mail before it is MIME: one line of subject, a plain part, a page with its CSS in <style>."""

    @property
    def subject(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def html(self) -> str: ...


class Draft(Protocol):
    """Renders the operator's templates with signature lines, and with own words instead of the model's."""

    def __call__(self, signature: tuple[str, ...], own: Own | None) -> Words: ...

    def deciding(self, *, own: bool) -> str | None:
        """Why the templates do more with signature, or own words, than to show them; None when they do not."""


class Form(NamedTuple):
    """What of a letter decides its skeleton besides revision, target and language: the rest of a cache's key."""

    lines: int
    own: bool = False
    closing: bool = False

    @classmethod
    def of(cls, signature: Sequence[str], own: Own | None = None) -> "Form":
        return cls(len(signature), own is not None, own is not None and own.closing != "")


@dataclass(frozen=True, slots=True)
class Written:
    """A whole message with CRLF, no line of which begins with a dot."""

    data: bytes = field(repr=False)

    @property
    def digest(self) -> bytes:
        """SHA-256 of the message, computed whenever it is asked for: of a signed message its own counts."""
        return hashlib.sha256(self.data).digest()


@dataclass(frozen=True)
class _Bones:
    """What never changes: the fields between From and Date, those up to the plain part, and what frames the parts."""

    fields: bytes
    opening: bytes
    text: Shape
    between: bytes
    html: Shape
    end: bytes

    def joined(self, sender: bytes, names: bytes, signature: Sequence[str], own: Own | None) -> bytes:
        """The message; the values of the letter are numbered as in `_marked`."""
        lines, flow = [line.encode() for line in signature], None
        if own is not None:
            lines += [own.salutation.encode(), own.closing.encode()]
            flow = "\0".join(own.paragraphs).encode()
        text, html = self.text.fill(lines, flow), self.html.fill(lines, flow)
        return b"".join((sender, self.fields, names, self.opening, text, self.between, html, self.end))


@dataclass(frozen=True, kw_only=True)
class Skeleton:
    """Writes letters of one form to one target: the very bytes of `message.build`, some hundred times faster.

    `refusal` says why there is nothing to speed up (the template changes or hides a line): `build` then writes every
    letter, as it also writes each single one that holds a line break, a control or the like where none is expected.
    """

    draft: Draft = field(repr=False)
    to: Party = field(repr=False)
    language: str
    form: Form
    bones: _Bones | None = field(default=None, repr=False)
    refusal: str | None = None

    @classmethod
    def compile(cls, draft: Draft, *, to: Party, language: str, form: Form) -> "Skeleton":
        """Render once with marks, cut there, and prove it on awkward letters (50 ms). Never fails: see `refusal`."""
        slow = cls(draft=draft, to=to, language=language, form=form)
        try:
            # What a template decides by, no sample can find out.
            if (problem := draft.deciding(own=form.own)) is not None:
                raise InputError(problem)
            made = replace(slow, bones=_bones(slow))
            _prove(made, slow)
        except InputError as error:
            return replace(slow, refusal=str(error))
        return made

    def write(
        self,
        *,
        sender: Party,
        signature: Sequence[str],
        message_id: str,
        date: str,
        reply_to: str | None = None,
        own: Own | None = None,
    ) -> Written:
        """One letter. `date` is what `message.dated` gives.

        Raises InputError as `message.build` does, and where own words meet the skeleton of a model letter or none that
        of own words: what the draft holds in their place may be another supporter's.
        """
        if self.form.own != (own is not None):
            raise InputError("own words and model letters need skeletons of their own")
        when = date_line(date)
        if self.bones is None or not _is_simple(signature, own, self.form):
            data = build(self._mail(sender, signature, own, message_id=message_id, date=date, reply_to=reply_to))
        else:
            names = when + id_line(message_id) + (b"" if reply_to is None else reply_line(reply_to))
            data = self.bones.joined(from_line(*sender), names, signature, own)
        return Written(data)

    def _mail(
        self,
        sender: Party,
        signature: Sequence[str],
        own: Own | None,
        *,
        message_id: str,
        date: str,
        reply_to: str | None,
    ) -> Mail:
        words = self.draft(tuple(signature), own)
        return Mail(
            sender=sender,
            to=self.to,
            subject=words.subject,
            text=words.text,
            html=words.html,
            language=self.language,
            message_id=message_id,
            date=parsedate_to_datetime(date),
            reply_to=reply_to,
        )


def _marked(form: Form) -> tuple[tuple[str, ...], Own | None]:
    """A letter of marks: signature, salutation, closing, paragraphs are the values from 0 on."""
    first = form.lines
    own = Own(mark(first), PARAGRAPHS, mark(first + 1) if form.closing else "")
    return tuple(map(mark, range(form.lines))), own if form.own else None


def _holes(form: Form) -> set[int]:
    """The numbers of the values that a letter of this form shows."""
    own = {form.lines, form.lines + 2} if form.own else set()
    return {*range(form.lines), *own, *({form.lines + 1} if form.closing else ())}


def _is_simple(signature: Sequence[str], own: Own | None, form: Form) -> bool:
    """Whether the letter has the skeleton's form, and lines that come through as they are."""
    if Form.of(signature, own) != form or not all(map(is_simple, signature)):
        return False
    return own is None or (
        is_simple(own.salutation)
        and (not own.closing or is_simple(own.closing))
        and own.paragraphs != ()
        and all(is_simple(line) for paragraph in own.paragraphs for line in paragraph.split("\n"))
    )


def _bones(slow: Skeleton) -> _Bones:
    """Cut the message that `build` writes for a letter of marks; raises InputError when it cannot be cut."""
    form = slow.form
    mail = slow._mail(_SENDER, *_marked(form), message_id=_ID, date=_DATE, reply_to=None)
    text, html = octets(mail.text), octets(inlined(mail.html))
    fields, _, rest = build(mail).removeprefix(from_line(*_SENDER)).partition(date_line(_DATE) + id_line(_ID))
    opening, _, rest = rest.partition(rows(text))
    between, _, end = rest.partition(rows(html))
    holes, paragraphs = _holes(form), form.lines + 2 if form.own else None
    return _Bones(
        fields=fields,
        opening=opening,
        text=Shape.of(text.decode(), holes=holes, paragraphs=paragraphs, escape=plain),
        between=between,
        html=Shape.of(html.decode(), holes=holes, paragraphs=paragraphs, escape=markup),
        end=end,
    )


def _prove(made: Skeleton, slow: Skeleton) -> None:
    """Raises InputError unless awkward letters come out as `build` writes them, byte for byte."""
    for number in range(len(AWKWARD)):
        signature, own = _sample(made.form, number)
        fast, right = (
            one.write(
                sender=(signature[0], _SENDER[1]),
                signature=signature,
                message_id=_ID,
                date=_DATE,
                reply_to=_SENDER[1] if number % 2 else None,
                own=own,
            )
            for one in (made, slow)
        )
        if fast != right:
            raise InputError("the template does more with the letter than to show it")


def _sample(form: Form, number: int) -> tuple[tuple[str, ...], Own | None]:
    """Over all numbers: each awkward line in each place, and one to five paragraphs of one to three lines."""
    lines = [AWKWARD[(number + at) % len(AWKWARD)] for at in range(form.lines + 3)]
    paragraphs = tuple("\n".join(lines[: 1 + at % 3]) for at in range(number + 1))
    own = Own(lines[-1], paragraphs, lines[-2] if form.closing else "")
    return tuple(lines[: form.lines]), own if form.own else None
