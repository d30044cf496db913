"""The letter: model paragraphs or own words, the right salutation, the signature; and the mail made of it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from uamail.errors import InputError
from uamail.letters.language import direction
from uamail.letters.letter import Letter
from uamail.letters.ownwords import take_apart
from uamail.letters.showing import deciding
from uamail.letters.words import MailWords, fingerprint, mail_words

_FOLDER = "mail/appeal"
ORIGINS = ("model", "edited", "own")


def compose(
    *,
    language: str,
    subject: str,
    reference: str,
    salutation: str,
    paragraphs: Sequence[str],
    demands: Sequence[str],
    closing: str,
    signature: Sequence[str],
    own_words: str | None = None,
    origin: str | None = None,
    greetings: Collection[str] = (),
    closings: Collection[str] = (),
    signer: str = "",
) -> Letter:
    """One letter to one target. `own_words` replace the model's paragraphs and demands.

    `salutation` and `closing` are this target's in this language; `greetings` and `closings` are all those
    of the action, in every language, to recognise what a supporter typed. `signer` is the full name, so that
    it is taken off the end of own words even where `signature` hides it. Without `origin` it is "model", or
    "own" when there are own words. Raises InputError when own words hold nothing but a greeting and a name.
    """
    if origin is not None and origin not in ORIGINS:
        raise InputError(f"origin {origin!r}: must be one of {', '.join(ORIGINS)}")
    if own_words is not None and own_words.strip():
        own = take_apart(
            own_words,
            salutation=salutation,
            greetings=greetings,
            closings={*closings, closing},
            names=[name for name in (signer, *signature) if name],
        )
        if not own.paragraphs:
            raise InputError("the own words are only a greeting or a name: there is no letter in them")
        salutation, closing = own.salutation or salutation, own.closing or closing
        paragraphs, demands, origin = own.paragraphs, (), origin or "own"
    return Letter(
        language=language,
        subject=subject,
        reference=reference,
        salutation=salutation,
        paragraphs=tuple(paragraphs),
        demands=tuple(demands),
        closing=closing,
        signature=tuple(signature),
        origin=origin or "model",
    )


def mail(letter: Letter, *, templates_dir: Path | None = None) -> MailWords:
    """The letter as a mail, from templates/mail/appeal. CSS stays in <style>: whoever builds the MIME inlines it.

    Raises InputError when a template is missing or wrong.
    """
    context = letter.context()
    context["direction"] = direction(letter.language)
    # Templates cannot call split(), so the lines of each paragraph come ready.
    context["paragraph_lines"] = [paragraph.split("\n") for paragraph in letter.paragraphs]
    return mail_words(_FOLDER, context, templates_dir=templates_dir)


Own = tuple[str, tuple[str, ...], str]  # salutation, paragraphs, closing


@dataclass(frozen=True)
class Drafting:
    """Renders a letter over again with other signature lines, and with own words instead of its text and demands."""

    letter: Letter = field(repr=False)
    templates_dir: Path | None = None

    def __call__(self, signature: tuple[str, ...], own: Own | None) -> MailWords:
        other = replace(self.letter, signature=signature)
        if own is not None:
            salutation, paragraphs, closing = own
            other = replace(other, salutation=salutation, paragraphs=paragraphs, demands=(), closing=closing)
            other = replace(other, origin="own" if self.letter.origin == "model" else self.letter.origin)
        return mail(other, templates_dir=self.templates_dir)

    def deciding(self, *, own: bool) -> str | None:
        """Why the templates do more with signature, or own words, than to show them; None when they do not."""
        names = {"signature", *(("salutation", "paragraphs", "paragraph_lines", "closing") if own else ())}
        return deciding(_FOLDER, frozenset(names), counted=frozenset({"signature"}), templates_dir=self.templates_dir)


def edition(templates_dir: Path | None = None) -> str:
    """A word that changes with any template of the letters: part of the key under which a skeleton is kept."""
    return fingerprint(_FOLDER, templates_dir=templates_dir)
