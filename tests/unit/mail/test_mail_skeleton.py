"""Skeletons: their bytes are those of the slow path, and templates they cannot follow are named."""

import hashlib
import re
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.unit.mail.test_mail_message import ATTACKS, SCRIPTS
from uamail.errors import InputError
from uamail.letters import merge
from uamail.letters.letter import Letter
from uamail.mail.address import header_safe
from uamail.mail.message import Mail, build, dated, read
from uamail.mail.shape import is_simple, mark, markup
from uamail.mail.skeleton import Form, Own, Skeleton
from uamail.mail.skeletons import Skeletons
from uamail.paths import TEMPLATES

SENDER, TO = "appeals@mail.example", ("The Minister", "minister@target.example")
NOW = datetime(2026, 11, 20, 12, 34, 56, 789, UTC)
MODEL = Letter(
    language="zh-Hant",
    subject="釋放 / Release: UA 61/21",
    reference="UA 61/21 · ASA 17/4243/2021",
    salutation="部長先生:\nDear Minister,",
    paragraphs=("我寫信給您。\nI write to you & yours.", "100 % <sure>", "Third."),
    demands=("立即釋放 / Release them.", "No torture."),
    closing="Yours sincerely,",
    signature=("Anna Example", "Switzerland"),
)
OWN = replace(MODEL, salutation="Dear Sir,", demands=(), origin="own")


def skeleton(letter: Letter, form: Form, templates_dir: Path | None = None) -> Skeleton:
    draft = merge.Drafting(letter, templates_dir)
    return Skeleton.compile(draft, to=TO, language=letter.language, form=form)


def slow(
    letter: Letter, *, name: str, message_id: str = "<a@mail.example>", reply_to: str | None = None, now: datetime = NOW
) -> bytes:
    words = merge.mail(letter)
    return build(
        Mail(
            sender=(name, SENDER),
            to=TO,
            subject=words.subject,
            text=words.text,
            html=words.html,
            language=letter.language,
            message_id=message_id,
            date=now,
            reply_to=reply_to,
        )
    )


def fast(
    made: Skeleton,
    letter: Letter,
    *,
    name: str,
    message_id: str = "<a@mail.example>",
    reply_to: str | None = None,
    now: datetime = NOW,
) -> bytes:
    own = Own(letter.salutation, letter.paragraphs, letter.closing) if letter.origin == "own" else None
    return made.write(
        sender=(name, SENDER),
        signature=letter.signature,
        message_id=message_id,
        date=dated(now),
        reply_to=reply_to,
        own=own,
    ).data


ONE, TWO, FOUR = (skeleton(MODEL, Form(lines)) for lines in (1, 2, 4))
CLOSED, OPEN = (skeleton(OWN, Form(2, own=True, closing=closing)) for closing in (True, False))


def test_shipped_templates_have_skeletons() -> None:
    assert [made.refusal for made in (ONE, TWO, FOUR, CLOSED, OPEN)] == [None] * 5


@pytest.mark.parametrize("words", SCRIPTS.values(), ids=SCRIPTS)
def test_every_script_gives_the_same_bytes(words: str) -> None:
    letter = replace(MODEL, signature=(words, "Schweiz · 瑞士"))

    assert fast(TWO, letter, name=words) == slow(letter, name=words)


@pytest.mark.parametrize("lines", [1, 2, 4])
@pytest.mark.parametrize("reply_to", [None, "office@mail.example"])
def test_every_form_gives_the_same_bytes(lines: int, reply_to: str | None) -> None:
    made = {1: ONE, 2: TWO, 4: FOUR}[lines]
    letter = replace(MODEL, signature=("A. E.", "Rue <1>", "1200 Genève", "Suisse")[:lines])

    data = fast(made, letter, name="A. E.", reply_to=reply_to)

    assert data == slow(letter, name="A. E.", reply_to=reply_to)
    assert read(data).header("Reply-To") == reply_to


# Lines of a letter as intake lets them in, and worse: every script, controls, spaces around, markup, marks.
_LINE = st.one_of(
    st.sampled_from(sorted(SCRIPTS.values())),
    st.text(min_size=1, max_size=60),
    st.text(st.characters(whitelist_categories=["L", "M", "N", "P", "Zs", "Cf", "So"]), min_size=1, max_size=40),
    st.text(
        st.sampled_from("ab =?_.,;:<>()[]\"'\\@%{}&#\r\n\t\0\x85\xa0\xad\u2028\u200d\u202eéش王𠮷\ufdd0"), max_size=30
    ),
    st.sampled_from(["", " ", "&nbsp;", "&lt;", "%s", mark(0), mark(900), "</bdi>", "<!--", "]]>", "{{ x }}"]),
)


@settings(max_examples=300, deadline=None)
@given(name=_LINE, second=_LINE, reply_to=st.sampled_from([None, "office@mail.example"]))
@example(name='O\'Brien & "Söhne" <x>', second="\xa0NBSP at both ends\xa0", reply_to=None)
def test_any_signature_gives_the_same_bytes(name: str, second: str, reply_to: str | None) -> None:
    assert_same(TWO, replace(MODEL, signature=(name, second)), name=name, reply_to=reply_to)


_PARAGRAPH = st.lists(_LINE, min_size=1, max_size=3).map("\n".join)


@settings(max_examples=300, deadline=None)
@given(salutation=_LINE, paragraphs=st.lists(_PARAGRAPH, max_size=5), closing=st.one_of(st.just(""), _LINE), name=_LINE)
def test_any_own_words_give_the_same_bytes(salutation: str, paragraphs: list[str], closing: str, name: str) -> None:
    letter = replace(
        OWN, salutation=salutation, paragraphs=tuple(paragraphs), closing=closing, signature=(name, "Switzerland")
    )

    assert_same(CLOSED if closing else OPEN, letter, name=name)


def assert_same(made: Skeleton, letter: Letter, *, name: str, reply_to: str | None = None) -> None:
    """Both ways give the same bytes, or both refuse, and in the same words."""
    try:
        right: object = slow(letter, name=name, reply_to=reply_to)
    except InputError as error:
        right = str(error)
    try:
        found: object = fast(made, letter, name=name, reply_to=reply_to)
    except InputError as error:
        found = str(error)
    assert found == right


def test_every_character_is_escaped_alike() -> None:
    """The whole of Unicode in one page, except what skeletons leave to the slow path."""
    signs = [chr(point) for point in range(sys.maxunicode + 1) if is_simple(f"x{chr(point)}x")]
    text = "x".join(signs)

    found = read(slow(replace(OWN, paragraphs=(text,)), name="x"))

    assert len(signs) > 1_100_000
    assert f">{markup(text.encode()).decode()}</p>" in found.html
    assert text in found.text


@pytest.mark.parametrize("attack", [attack for attack in ATTACKS if attack.strip()])
@pytest.mark.parametrize("field", ["name", "message_id", "reply_to"])
def test_attack_fares_as_on_the_slow_path(field: str, attack: str) -> None:
    values = {"name": "Anna", "message_id": "<a@mail.example>", "reply_to": None, field: attack}

    try:
        right = slow(MODEL, **values)  # type: ignore[arg-type]
    except InputError:
        with pytest.raises(InputError):
            fast(TWO, MODEL, **values)  # type: ignore[arg-type]
    else:
        assert fast(TWO, MODEL, **values) == right  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "sender", ["", "jane", "jane@x", "a@b.example>, <c@d.example", "jane@x.example\r\nBcc: e@x.example"]
)
def test_bad_sender_is_refused(sender: str) -> None:
    with pytest.raises(InputError):
        TWO.write(sender=("Anna", sender), signature=MODEL.signature, message_id="<a@mail.example>", date=dated(NOW))


@pytest.mark.parametrize(
    "date",
    [
        "",
        "today",
        "Fri, 20 Nov 2026 12:34:56 +0000",
        "Fri, 20 Nov 2026 12:34:00 +0800",
        "Sat, 20 Nov 2026 12:34:00 +0000",
        "Fri, 20 Nov 2026 12:34:00 +0000\r\nBcc: eve@x.example",
        "Fri, 20 Nov 2026 12:34:00 -0000",
    ],
)
def test_date_of_another_form_is_refused(date: str) -> None:
    for made in (TWO, replace(TWO, bones=None)):
        with pytest.raises(InputError):
            made.write(sender=("A", SENDER), signature=MODEL.signature, message_id="<a@mail.example>", date=date)


def test_digest_is_the_hash_of_the_bytes() -> None:
    written = TWO.write(
        sender=("Anna", SENDER), signature=MODEL.signature, message_id="<a@mail.example>", date=dated(NOW)
    )

    assert written.digest == hashlib.sha256(written.data).digest()


@pytest.mark.parametrize("made", [ONE, TWO, FOUR, CLOSED, OPEN])
def test_wire_needs_no_dot_stuffing(made: Skeleton) -> None:
    letter = replace(
        OWN if made.form.own else MODEL,
        signature=(".", "..", ". .", ".x")[: made.form.lines],
        closing="" if made is OPEN else ".",
    )

    data = fast(made, letter, name=".")

    assert not re.search(rb"(?m)^\.", data)
    assert data.endswith(b"\r\n")


@pytest.mark.parametrize(("made", "letter"), [(TWO, OWN), (CLOSED, MODEL), (replace(CLOSED, bones=None), MODEL)])
def test_own_words_never_stand_in_for_others(made: Skeleton, letter: Letter) -> None:
    with pytest.raises(InputError, match="skeletons of their own"):
        fast(made, letter, name="Anna")


def test_letter_of_another_form_is_written_all_the_same() -> None:
    letter = replace(MODEL, signature=("Anna Example", "1200 Genève", "Suisse"))

    assert fast(TWO, letter, name="Anna") == slow(letter, name="Anna")


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("body.txt", "{{ line }}", "{{ line|upper }}"),
        ("body.txt", "{% for line in signature %}", "{% for line in signature[:1] %}"),
        ("body.html", "{{ line }}</bdi>", "{{ line|lower }}</bdi>"),
        ("body.html", "<bdi>{{ line }}", '<bdi title="{{ line }}">{{ line }}'),
        ("body.html", "<bdi>{{ line }}", "<!-- {{ line }} --><bdi>{{ line }}"),
        ("body.html", "<main>", "<main>{% if signature[0]|length > 60 %}!{% endif %}"),
        ("body.html", "</style>", "p { font-family: {{ signature[0] }}; }</style>"),
        ("body.html", "<main>", "<main>{% if signature[0] == 'Eve' %}!{% endif %}"),
        ("body.txt", "{{ line }}", "{{ 'Eva' if line == 'Eve' else line }}"),
        ("subject.txt", "{{ subject }}", "{{ subject }} ({{ signature[0] }})"),
    ],
)
def test_template_that_changes_the_letter_is_refused(file: str, old: str, new: str, tmp_path: Path) -> None:
    templates = operator_templates(tmp_path, file, old, new)

    made = skeleton(MODEL, Form(2), templates)

    assert made.refusal is not None
    assert "template" in made.refusal
    assert made.bones is None


def test_refused_template_is_still_written(tmp_path: Path) -> None:
    templates = operator_templates(tmp_path, "body.txt", "{{ line }}", "{{ line|upper }}")
    made = skeleton(MODEL, Form(2), templates)

    assert "ANNA EXAMPLE\nSWITZERLAND" in read(fast(made, MODEL, name="Anna")).text


def test_broken_template_is_named(tmp_path: Path) -> None:
    templates = operator_templates(tmp_path, "body.txt", "{{ salutation }}", "{{ nobody }}")
    made = skeleton(MODEL, Form(2), templates)

    assert made.refusal is not None
    assert "nobody" in made.refusal
    with pytest.raises(InputError, match="nobody"):
        fast(made, MODEL, name="Anna")


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("body.txt", "{{ paragraph }}", "{{ loop.index }} {{ paragraph }}"),
        ("body.txt", "{{ salutation }}", ""),
        ("body.html", "{{ salutation }}", "{{ salutation|upper }}"),
        ("body.html", "{{ line }}{% if not loop.last %}<br>", "{{ line|upper }}{% if not loop.last %}<br>"),
        ("body.html", "<p{% if origin", "{% if loop.index == 3 %}<hr>{% endif %}<p{% if origin"),
        ("body.html", "<p{% if origin", "{% if loop.index == 99 %}<hr>{% endif %}<p{% if origin"),
        ("body.html", "<main>", "<main>{% if paragraphs|length > 99 %}<hr>{% endif %}"),
    ],
)
def test_template_that_changes_own_words_is_refused(file: str, old: str, new: str, tmp_path: Path) -> None:
    templates = operator_templates(tmp_path, file, old, new)

    made = skeleton(OWN, Form(2, own=True, closing=True), templates)

    assert made.refusal is not None


def test_template_may_show_a_line_twice(tmp_path: Path) -> None:
    templates = operator_templates(tmp_path, "body.html", "<main>", "<main>{{ signature[0] }}")
    made = skeleton(MODEL, Form(2), templates)

    found = read(fast(made, replace(MODEL, signature=("A & B", "x")), name="A"))

    assert made.refusal is None
    assert found.html.count("A &amp; B") == 2


def operator_templates(folder: Path, file: str, old: str, new: str) -> Path:
    """An operator's template directory in which one file of the appeal differs from the shipped one."""
    shipped = (TEMPLATES / "mail" / "appeal" / file).read_text()
    assert old in shipped
    (folder / "mail" / "appeal").mkdir(parents=True)
    (folder / "mail" / "appeal" / file).write_text(shipped.replace(old, new, 1))
    return folder


def test_least_used_skeleton_is_forgotten() -> None:
    held = Skeletons(2)
    for key in ("a", "b", "a", "c"):
        held.get(key, lambda: TWO)

    again = {key: held.get(key, lambda: ONE) for key in ("a", "c", "b")}

    assert again == {"a": TWO, "c": TWO, "b": ONE}


def test_threads_share_the_skeletons() -> None:
    held, found = Skeletons(4), []
    letters = [replace(MODEL, signature=(f"Anna {number}", "Schweiz")) for number in range(40)]

    def work() -> None:
        for number, letter in enumerate(letters):
            made = held.get(number % 6, lambda: TWO)
            found.append((number, fast(made, letter, name=letter.signature[0])))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert set(found) == {(number, slow(letter, name=letter.signature[0])) for number, letter in enumerate(letters)}
    assert len(found) == 160


_JOINED = st.text(st.characters(whitelist_categories=["L", "M", "N", "P", "S", "Zs"]), max_size=60)


@settings(max_examples=300, deadline=None)
@given(_JOINED)
@example("e\u0301 = ?x?= Ω ﬁ")
def test_invisible_sign_changes_no_header_text(text: str) -> None:
    assert header_safe(text) == header_safe(f"{text}\u00ad")
