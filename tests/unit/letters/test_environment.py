"""The template environment: what a template may do, and that nothing else gets through."""

from pathlib import Path
from typing import Any

import pytest
from jinja2 import TemplateError
from markupsafe import Markup

from uamail.errors import InputError
from uamail.letters.environment import environment, render
from uamail.paths import TEMPLATES

DATA: dict[str, Any] = {
    "text": "supporter",
    "rows": [{"name": "a", "cells": ["1", "2"]}, {"name": "b", "cells": []}],
    "items": ["x", "y"],
}


def show(folder: Path, source: str, *, name: str = "page.html", **data: Any) -> str:
    (folder / name).write_text(source, "utf-8")
    return render(name, DATA | data, templates_dir=folder)


ESCAPES = [
    "{{ ''.__class__ }}",
    "{{ ''['__class__'] }}",
    "{{ text.__class__.__mro__[1].__subclasses__() }}",
    "{{ text|attr('__class__') }}",
    "{{ text['__cl' ~ 'ass__'] }}",
    "{{ rows.__init__.__globals__ }}",
    "{{ rows[0].keys() }}",
    "{{ rows.append(1) }}",
    "{{ rows.pop() }}",
    "{{ self.__init__.__globals__ }}",
    "{{ self }}",
    "{{ self._TemplateReference__context }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ joiner }}",
    "{{ namespace(x=1) }}",
    "{{ lipsum() }}",
    "{{ lipsum.__globals__ }}",
    "{{ config }}",
    "{{ request }}",
    "{{ get_flashed_messages.__globals__ }}",
    "{{ url_for.__globals__ }}",
    "{{ dict(a=1) }}",
    "{{ '{0.__class__}'.format(text) }}",
    "{{ ('{0.__class__}'|string).format_map({}) }}",
    "{{ '%s'|format(text) }}",
    "{{ text.ljust }}",
    "{{ rows|map(attribute='__class__')|list }}",
    "{{ items|join(attribute='__class__') }}",
    "{{ items|sort(attribute='__class__') }}",
    "{% for x in items %}{{ loop.__class__ }}{% endfor %}",
    "{% for x in items %}{{ loop._iterator }}{% endfor %}",
    "{% for x in items %}{{ loop.cycle('a') }}{% endfor %}",
    "{% for x in items recursive %}{{ loop(items) }}{% endfor %}",
    "{% macro m() %}{{ caller }}{% endmacro %}{{ m.__globals__ }}",
    "{% macro m() %}{% endmacro %}{{ m._func }}",
    "{% include 'page.html' %}",
    "{% include '/etc/passwd' ignore missing %}",
    "{% import 'page.html' as p %}{{ p }}",
    "{% from 'page.html' import p %}",
    "{% extends '../../etc/passwd' %}",
    "{% extends '/etc/passwd' %}",
    "{% autoescape false %}{{ text }}{% endautoescape %}",
    "{{ text|safe }}",
    "{{ text|xmlattr }}",
    "{{ text|tojson }}",
    "{{ text|pprint }}",
    "{% do rows.pop() %}",
    "{% debug %}",
    "{{ unknown }}",
    "{{ rows[9].name }}",
    "{{ rows[0].nothing }}",
]

BOMBS = [
    "{{ 9**10**7 }}",
    "{{ 9 ** 99999999 }}",
    "{{ 'a' * 300000000 }}",
    "{{ [1] * 300000000 }}",
    "{{ 'a'.ljust(300000000) }}",
    "{{ 'a'.center(300000000) }}",
    "{{ '%300000000d' % 1 }}",
    "{{ 1 + 1 }}",
    "{{ text ~ text }}",
    "{{ 1 / 0 }}",
    "{% for x in range(999999999) %}{% endfor %}",
    "{% for x in 'aaaa' %}{% endfor %}",
    "{% for x in items recursive %}{{ x }}{% endfor %}",
    "{% for x in [items, items] %}{% endfor %}",
    "{% for x in items|join %}{% endfor %}",
    "{% for a in items %}{% for b in items %}{% for c in items %}x{% endfor %}{% endfor %}{% endfor %}",
    "{% for a in items %}{% block x %}{% endblock %}{% endfor %}",
    "{% set x = text %}" + "{% set x = x ~ x %}" * 40,
    "{% set x %}{{ text }}{{ text }}{% endset %}",
    "{% with x = [text, text] %}{{ x }}{% endwith %}",
    "{% filter upper %}{{ text }}{% endfilter %}",
    "{% macro m(x) %}{{ m(x) }}{{ m(x) }}{% endmacro %}{{ m(text) }}",
    "{% macro a(x) %}{{ x }}{{ x }}{% endmacro %}" + "{{ a(a(a(text))) }}",
    "{% macro a(x) %}{{ x }}{% endmacro %}{% macro b(x) %}{{ a(x) }}{{ a(x) }}{% endmacro %}{{ b(text) }}",
    "{% macro a(x) %}{% for y in rows %}{% endfor %}{% endmacro %}{{ a(text) }}",
    "{% macro a(x) %}{{ x }}{% endmacro %}{{ a(*items) }}",
    "{% call(x) text() %}{% endcall %}",
    "{{ text|join(text) }}",
    "{{ items|join('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa') }}",
    "{{ text|replace('s', 'ssssssssss') }}",
    "{{ text|wordwrap(1) }}",
    "{{ text|indent(300000000) }}",
    "{{ items|batch(99999999)|list }}",
    "{{ text|truncate }}",
    "{{ 1" + "0" * 10_000 + " }}",
    "{{ " + "(" * 5_000 + "1" + ")" * 5_000 + " }}",
    "{{ " + "-" * 5_000 + "1 }}",
    "{{ text" + ".a" * 5_000 + " }}",
    "{{ " + "not " * 5_000 + "text }}",
    "{% if text %}" * 200 + "{% endif %}" * 200,
    "x" * 64_001,
]


@pytest.mark.parametrize("source", ESCAPES)
def test_template_cannot_escape(tmp_path: Path, source: str) -> None:
    with pytest.raises(InputError):
        show(tmp_path, source)


@pytest.mark.parametrize("source", BOMBS, ids=lambda source: source[:40])
def test_template_cannot_run_on(tmp_path: Path, source: str) -> None:
    with pytest.raises(InputError):
        show(tmp_path, source)


@pytest.mark.parametrize("source", ["{{ 9**10**7 }}", "{{ text.ljust(9) }}", "{% include 'x' %}"])
def test_string_templates_are_checked_too(source: str) -> None:
    with pytest.raises((InputError, TemplateError)):
        environment().from_string(source).render(**DATA)


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("{{ text }}", "supporter"),
        (
            "{% for r in rows %}{{ loop.index }}{{ r.name }}{% for c in r.cells %}{{ c }}{% endfor %}{% endfor %}",
            "1a122b",
        ),
        ("{% for a in items %}{% for b in rows %}{{ a }}{{ b.name }}{% endfor %}{% endfor %}", "xaxbyayb"),
        ("{% for x in items if x != 'x' %}{{ x }}{% else %}none{% endfor %}", "y"),
        ("{{ items|join(', ')|upper }}", "X, Y"),
        ("{{ items|length }}{{ items[1:] | first }}{{ items[-1] }}", "2yy"),
        ("{{ unknown|default('there') }}", "there"),
        ("{{ 'yes' if text is defined and 'x' in items else 'no' }}", "yes"),
        ("{% if rows %}{{ rows[0]['name'] }}{% endif %}", "a"),
        ("{% macro m(r) %}{% for c in r.cells %}<i>{{ c }}{% endfor %}{% endmacro %}{{ m(rows[0]) }}", "<i>1<i>2"),
        ("{% block a %}{{ text }}{% endblock %}", "supporter"),
        ("{% raw %}{{ text }}{% endraw %}", "{{ text }}"),
    ],
)
def test_ordinary_templates_work(tmp_path: Path, source: str, shown: str) -> None:
    assert show(tmp_path, source) == shown


@pytest.mark.parametrize(
    "name",
    sorted(str(path.relative_to(TEMPLATES)) for path in TEMPLATES.rglob("*") if path.suffix in {".html", ".txt"}),
)
def test_shipped_templates_keep_the_rules(name: str) -> None:
    assert environment().get_template(name).name == name


def test_keys_win_over_methods(tmp_path: Path) -> None:
    assert show(tmp_path, "{{ facts.items }} {{ facts.keys }}", facts={"items": 1, "keys": 2}) == "1 2"


def test_sandbox_calls_nothing_from_the_data() -> None:
    assert not any(environment().is_safe_callable(thing) for thing in (len, str, "".ljust, object()))


def test_endless_output_is_cut_off(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="more than 64000000 characters"):
        show(tmp_path, "{% for x in text %}{{ text }}{% endfor %}", name="page.txt", text="x" * 8_001)


def test_endless_loops_are_cut_off(tmp_path: Path) -> None:
    loops = "{% for a in text %}{% for b in text %}{% endfor %}{% endfor %}"

    with pytest.raises(InputError, match="its loops run more than 4000000 times"):
        show(tmp_path, loops * 100, text="x" * 5_000)


def test_loops_know_their_length(tmp_path: Path) -> None:
    source = "{% for x in items %}{{ loop.length }}{{ loop.revindex }}{% if loop.last %}!{% endif %}{% endfor %}"

    assert show(tmp_path, source) == "2221!"


def test_refusal_does_not_repeat_what_it_was_given(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="dict has no such item") as caught:
        show(tmp_path, "{{ facts[text] }}", facts={"a": 1})

    assert DATA["text"] not in str(caught.value)


def test_refusal_names_template_and_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"page\.html, line 3: templates may not use Pow"):
        show(tmp_path, "one\ntwo\n{{ 2 ** 2 }}")


@pytest.mark.parametrize("value", [object(), Path("x"), {1, 2}, len, b"x", [object()], {"a": {"b": object()}}])
def test_objects_do_not_reach_templates(tmp_path: Path, value: object) -> None:
    with pytest.raises(InputError, match="plain data only"):
        show(tmp_path, "{{ text }}", extra=value)


def test_markup_cannot_get_past_escaping(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="plain data only"):
        show(tmp_path, "{{ text }}", text=Markup("<b>"))


@pytest.mark.parametrize("text", ["{{ 7*7 }}", "{% raw %}", "<b>&</b>", "{# x #}", "\\N{BULLET}"])
def test_supporter_text_is_never_a_template(tmp_path: Path, text: str) -> None:
    assert show(tmp_path, "{{ text }}", name="page.txt", text=text) == text
    assert "<" not in show(tmp_path, "{{ text }}", text=text)


def test_only_html_names_are_escaped(tmp_path: Path) -> None:
    assert show(tmp_path, "{{ text }}", name="page.txt", text="a & b") == "a & b"
    assert show(tmp_path, "{{ text }}", name="page.html", text="a & b") == "a &amp; b"


def test_operators_template_comes_first(tmp_path: Path) -> None:
    (tmp_path / "mail/appeal").mkdir(parents=True)
    (tmp_path / "mail/appeal/subject.txt").write_text("ours: {{ subject }}", "utf-8")

    assert render("mail/appeal/subject.txt", {"subject": "x"}, templates_dir=tmp_path) == "ours: x"
    assert render("mail/appeal/subject.txt", {"subject": "x"}) == "x"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret", "utf-8")
    (tmp_path / "templates").mkdir()
    return secret


def test_link_out_of_the_folder_is_refused(outside: Path) -> None:
    folder = outside.parent / "templates"
    (folder / "page.txt").symlink_to(outside)
    (folder / "up").symlink_to(outside.parent)

    for name in ("page.txt", "up/secret.txt"):
        with pytest.raises(InputError):
            render(name, {}, templates_dir=folder)


def test_link_within_the_folder_works(tmp_path: Path) -> None:
    (tmp_path / "real.txt").write_text("real", "utf-8")
    (tmp_path / "page.txt").symlink_to(tmp_path / "real.txt")

    assert render("page.txt", {}, templates_dir=tmp_path) == "real"


@pytest.mark.parametrize("name", ["../secret.txt", "/etc/passwd", "a/../../secret.txt", "x\x00.txt", "x" * 5_000, ""])
def test_names_outside_are_not_found(outside: Path, name: str) -> None:
    with pytest.raises(InputError):
        render(name, {}, templates_dir=outside.parent / "templates")


def test_unreadable_bytes_are_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_bytes(b"\xff\xfe")

    with pytest.raises(InputError):
        render("page.txt", {}, templates_dir=tmp_path)
