"""Templates that only show the lines of a letter are told from those that decide by them."""

from pathlib import Path

import pytest

from uamail.errors import InputError
from uamail.letters.showing import deciding
from uamail.letters.words import fingerprint

_NAMES = frozenset({"signature", "paragraphs"})


def found(folder: Path, html: str) -> str | None:
    """What is said of a mail whose page is this."""
    (folder / "mail" / "own").mkdir(parents=True)
    (folder / "mail" / "own" / "subject.txt").write_text("{{ subject }}")
    (folder / "mail" / "own" / "body.txt").write_text("{{ signature[0] }}")
    (folder / "mail" / "own" / "body.html").write_text(html)
    return deciding("mail/own", _NAMES, counted=frozenset({"signature"}), templates_dir=folder)


@pytest.mark.parametrize(
    "own", [{"signature"}, {"signature", "salutation", "paragraphs", "paragraph_lines", "closing"}]
)
def test_shipped_templates_decide_nothing(own: set[str]) -> None:
    assert deciding("mail/appeal", frozenset(own), counted=frozenset({"signature"}), templates_dir=None) is None


@pytest.mark.parametrize(
    "html",
    [
        "{{ signature[0]|e }}",
        "{{ signature|join(', ') }}",
        "{{ signature|first }}",
        "{% if signature|length > 2 and language == 'en' %}x{% endif %}",
        "{% if signature and not paragraphs %}x{% endif %}",
        "{% for line in signature %}{{ loop.index }}: {{ line }}{% if not loop.last %},{% endif %}{% endfor %}",
        "{% for one in paragraphs %}{% if loop.first %}<b>{% endif %}{{ one }}{% endfor %}",
        "{% for demand in demands %}{% if demand == 'x' %}{{ loop.index }}{% endif %}{% endfor %}",
        "{% for signature in demands %}{{ signature|upper }}{% endfor %}",
        "{% if language == 'en' %}{{ subject|upper }}{% endif %}",
    ],
)
def test_showing_is_no_decision(html: str, tmp_path: Path) -> None:
    assert found(tmp_path, html) is None


@pytest.mark.parametrize(
    "html",
    [
        "{{ signature[0]|upper }}",
        "{{ signature[0]|length }}",
        "{{ signature|join(signature[0]) }}",
        "{{ signature[1:]|first }}",
        "{% if signature[0] == 'Eve' %}x{% endif %}",
        "{% if language == 'en' and 'Eve' in signature %}x{% endif %}",
        "{% if signature[0] is eq('Eve') %}x{% endif %}",
        "{{ 'x' if signature[0] == 'Eve' else 'y' }}",
        "{{ subject|default(signature[0]|upper) }}",
        "{% for line in signature if line != 'Eve' %}{{ line }}{% endfor %}",
        "{% for line in signature %}{% if line == 'Eve' %}x{% endif %}{% endfor %}",
        "{% for line in signature %}{% for sign in line %}{% if sign == 'E' %}x{% endif %}{% endfor %}{% endfor %}",
        "{% for one in paragraphs %}{{ loop.index }}{% endfor %}",
        "{% for one in paragraphs %}{% if loop.index is even %}x{% endif %}{% endfor %}",
        "{% if paragraphs|length > 9 %}x{% endif %}",
        "{% for one in paragraphs %}{% if one|length > 9 %}x{% endif %}{% endfor %}",
        "{% macro show(line) %}{{ line|upper }}{% endmacro %}{{ show(signature[0]) }}",
        "{% block page %}{% if signature[0] == 'Eve' %}x{% endif %}{% endblock %}",
        "{% if demands %}{% else %}{{ signature[0]|lower }}{% endif %}",
    ],
)
def test_decision_is_found(html: str, tmp_path: Path) -> None:
    said = found(tmp_path, html)

    assert said is not None
    assert "template mail/own/body.html, line 1" in said


def test_decision_of_a_parent_is_found(tmp_path: Path) -> None:
    (tmp_path / "base.html").write_text("{% block page %}{% endblock %}\n{{ signature[0]|upper }}")

    said = found(tmp_path, "{% extends 'base.html' %}{% block page %}{{ signature[0] }}{% endblock %}")

    assert said is not None
    assert "template base.html, line 2" in said


@pytest.mark.parametrize("html", ["{% extends subject %}", "{% extends 'missing.html' %}", "{% if %}"])
def test_unreadable_template_is_refused(html: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="template"):
        found(tmp_path, html)


def test_edition_changes_with_every_template(tmp_path: Path) -> None:
    (tmp_path / "base.html").write_text("{% block page %}{% endblock %}")
    found(tmp_path, "{% extends 'base.html' %}")
    seen = {fingerprint("mail/own", templates_dir=tmp_path)}

    for name in ("base.html", "mail/own/subject.txt", "mail/own/body.txt", "mail/own/body.html"):
        (tmp_path / name).write_text((tmp_path / name).read_text() + "\n.")
        seen.add(fingerprint("mail/own", templates_dir=tmp_path))

    assert len(seen) == 5
    assert seen == {*seen, fingerprint("mail/own", templates_dir=tmp_path)}
