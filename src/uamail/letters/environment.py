"""The one Jinja environment: sandboxed, strict, autoescaped, over plain data."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined, TemplateNotFound
from jinja2.sandbox import ImmutableSandboxedEnvironment

from uamail.errors import InputError
from uamail.paths import TEMPLATES

# Filters a campaigner needs; everything else is dropped, so a template cannot build huge strings (T4 of the threat list).
_FILTERS = ("default", "e", "escape", "first", "join", "last", "length", "lower", "replace", "trim", "upper")


class _Environment(ImmutableSandboxedEnvironment):
    """Sandbox without calls: templates get plain data, so nothing in them needs calling."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def is_safe_callable(self, obj: Any) -> bool:
        # Macros and the loop variable are Jinja's own; anything else came in with the data.
        return type(obj).__module__ == "jinja2.runtime"

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        raise InputError(f"templates may not use the operator {operator}")


def _resolved(loader: FileSystemLoader, roots: tuple[Path, ...]) -> FileSystemLoader:
    """A loader that also refuses symbolic links leading out of the template folders."""
    inner = loader.get_source

    def get_source(environment: Any, template: str) -> tuple[str, str, Callable[[], bool]]:
        source, filename, fresh = inner(environment, template)
        real = Path(filename).resolve()
        if not any(real.is_relative_to(root.resolve()) for root in roots):
            raise TemplateNotFound(template)
        return source, filename, fresh

    loader.get_source = get_source  # type: ignore[method-assign]
    return loader


@lru_cache
def environment(operator_dir: Path | None = None) -> ImmutableSandboxedEnvironment:
    """The environment; an operator's own template directory is searched before the shipped one."""
    roots = tuple(path for path in (operator_dir, TEMPLATES) if path is not None)
    loader = _resolved(FileSystemLoader([str(root) for root in roots]), roots)
    env = _Environment(
        loader=loader,
        undefined=StrictUndefined,
        autoescape=lambda name: name is not None and name.endswith(".html"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
    env.globals.clear()
    env.filters = {name: env.filters[name] for name in _FILTERS}
    return env


def render(template: str, context: Mapping[str, Any], *, templates_dir: Path | None = None) -> str:
    """Render `template` (a path below templates/) over plain data.

    Raises jinja2.TemplateError when the template is missing, wrong or uses something that is not given.
    """
    return environment(templates_dir).get_template(template).render(**context)
