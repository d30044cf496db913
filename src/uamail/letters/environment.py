"""The one Jinja environment: sandboxed, strict, autoescaped, over plain data."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from contextvars import ContextVar
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any

from jinja2 import (
    FileSystemLoader,
    StrictUndefined,
    TemplateError,
    TemplateNotFound,
    Undefined,
    nodes,
    pass_context,
    pass_eval_context,
)
from jinja2.filters import do_join
from jinja2.runtime import Context, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from uamail.errors import InputError
from uamail.letters import grammar
from uamail.paths import TEMPLATES

# What a campaigner needs. `replace` is missing on purpose: a chain of them multiplies a text.
_FILTERS = ("default", "e", "escape", "first", "last", "length", "lower", "trim", "upper")
_TESTS = ("defined", "undefined", "none", "in", "eq", "equalto", "ne", "even", "odd")
_LOOP = frozenset({"index", "index0", "first", "last", "length", "revindex"})
_SEPARATOR_LIMIT = 20  # characters
_OUTPUT_LIMIT = 64_000_000  # characters; a roll of 320,000 names has about 20 million
_STEP_LIMIT = 4_000_000  # rounds of all loops together, a second of work; that roll needs less than a million
_COUNTED = "in steps"  # no template can write a filter with a space in its name
_steps: ContextVar[Iterator[int]] = ContextVar("steps")


class _Environment(ImmutableSandboxedEnvironment):
    """Sandbox without attributes: templates read the keys of plain data, and call nothing but their own macros."""

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        grammar.check_size(source, name=name or "<string>")
        tree = super()._parse(source, name, filename)
        grammar.check(tree, name=name or "<string>")
        return tree

    def _generate(self, source: nodes.Template, *args: Any, **kwargs: Any) -> str:
        # Loops within loops that print nothing run for hours: every round is counted.
        for loop in source.find_all(nodes.For):
            loop.iter = nodes.Filter(loop.iter, _COUNTED, [], [], None, None, lineno=loop.lineno)
            loop.iter.set_environment(self)
        return super()._generate(source, *args, **kwargs)

    def is_safe_callable(self, obj: Any) -> bool:
        return isinstance(obj, Macro)

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, LoopContext) and attribute in _LOOP:
            return getattr(obj, attribute)
        found = self.getitem(obj, attribute)
        return self.undefined(obj=obj, name=attribute) if isinstance(found, Undefined) else found

    def getitem(self, obj: Any, argument: Any) -> Any:
        # Never an attribute: a bound method such as 'a'.ljust would print, and its address with it.
        if isinstance(obj, dict | list | tuple | str):
            with suppress(LookupError, TypeError, ValueError):
                return obj[argument]
        # Not what was looked for: it may be a supporter's word, and errors are written down.
        return self.undefined(f"{type(obj).__name__} has no such item")


@pass_eval_context
def _join(context: nodes.EvalContext, value: Iterable[Any], separator: str = "") -> str:
    """Jinja's join for lists only: joining a string with itself, again and again, squares its length each time."""
    if isinstance(value, str) or len(separator) > _SEPARATOR_LIMIT:
        raise InputError(f"join takes a list and a separator of at most {_SEPARATOR_LIMIT} characters")
    joined: str = do_join(context, value, separator)
    return joined


@pass_context
def _counted(context: Context, items: Iterable[Any]) -> Iterator[Any]:
    steps = _steps.get()
    for item in items:
        if next(steps) >= _STEP_LIMIT:
            raise InputError(f"template {context.name}: its loops run more than {_STEP_LIMIT} times")
        yield item


class _Loader(FileSystemLoader):
    """The file system loader, which also refuses symbolic links that lead out of the template folders."""

    def get_source(self, environment: Any, template: str) -> tuple[str, str, Callable[[], bool]]:
        try:
            source, filename, fresh = super().get_source(environment, template)
        except (OSError, ValueError) as error:  # a NUL in the name, a name too long, bytes that are not UTF-8
            raise TemplateNotFound(template) from error
        real = os.path.realpath(filename)
        if not any(Path(real).is_relative_to(os.path.realpath(root)) for root in self.searchpath):
            raise TemplateNotFound(template)
        return source, filename, fresh


@lru_cache(maxsize=8)
def environment(operator_dir: Path | None = None) -> ImmutableSandboxedEnvironment:
    """The environment; an operator's own template directory is searched before the shipped one."""
    env = _Environment(
        loader=_Loader([str(path) for path in (operator_dir, TEMPLATES) if path is not None]),
        undefined=StrictUndefined,
        autoescape=lambda name: name is not None and name.endswith(".html"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
    env.globals.clear()
    env.filters = {name: env.filters[name] for name in _FILTERS} | {"join": _join, _COUNTED: _counted}
    env.tests = {name: env.tests[name] for name in _TESTS}
    return env


def render(template: str, context: Mapping[str, Any], *, templates_dir: Path | None = None) -> str:
    """Render `template` (a path below templates/) over plain data: strings, numbers, lists, tuples and dicts.

    Text is escaped in every template whose name ends in .html. Raises InputError when the template is missing
    or wrong, uses what it is not given or may not use, says too much (64 million characters) or loops too long.
    """
    _check_plain(context)
    _steps.set(count())
    parts: list[str] = []
    size = 0
    try:
        for part in environment(templates_dir).get_template(template).generate(**context):
            parts.append(part)
            size += len(part)
            if size > _OUTPUT_LIMIT:
                raise InputError(f"template {template}: more than {_OUTPUT_LIMIT} characters")
    # Besides Jinja's own errors: wrong operands, endless numbers, and nesting too deep for Jinja or for Python.
    except (TemplateError, TypeError, ValueError, SyntaxError, RecursionError) as error:
        raise InputError(f"template {template}: {error}") from error
    return "".join(parts)


def _check_plain(value: Any) -> None:
    """Objects would bring methods along, and Markup would get past the escaping."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            _check_plain(key)
            _check_plain(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _check_plain(item)
    elif isinstance(value, Markup) or not isinstance(value, str | int | float | None):
        raise InputError(f"templates take plain data only, not {type(value).__name__}")
