"""Whether templates only show a letter's lines, or decide by what stands in them; read from their syntax."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jinja2 import nodes

from uamail.letters.environment import environment
from uamail.letters.words import MAIL_FILES, sources

# Filters that leave a line as it is. `trim` does: there is no white space around the lines that skeletons write.
_HARMLESS = frozenset({"e", "escape", "first", "last", "join", "trim"})
_COUNTS = frozenset({"index", "index0", "length", "revindex"})


@dataclass(frozen=True)
class _Scope:
    """The names that hold what differs between letters, and whether the innermost loop runs over a varying number."""

    names: frozenset[str]
    counted: frozenset[str]
    open_ended: bool = False


def deciding(
    folder: str,
    names: frozenset[str],
    *,
    counted: frozenset[str],
    files: Sequence[str] = MAIL_FILES,
    templates_dir: Path | None,
) -> str | None:
    """Why what a folder's templates print depends on more of these names than their text; None when it does not.

    `names` are the keys of the context that differ between letters, `counted` those whose number of items does not.
    That a name is empty or not may decide: the caller knows. Raises InputError for a template that is none.
    """
    env = environment(templates_dir)
    for name, text in sources(folder, files=files, templates_dir=templates_dir).items():
        for line in _offences(env.parse(text, name), _Scope(names, counted)):
            return f"template {name}, line {line}: does more with a line of the letter than to show it"
    return None


def _offences(node: nodes.Node, scope: _Scope) -> Iterator[int]:
    """The lines on which something is decided."""
    for child in node.iter_child_nodes():
        if isinstance(child, nodes.For):
            yield from _loop(child, scope)
        elif isinstance(child, nodes.Expr):
            if not _harmless(child, scope):
                yield child.lineno
        else:
            yield from _offences(child, scope)


def _loop(loop: nodes.For, scope: _Scope) -> Iterator[int]:
    names = _names([loop.target])
    root = _root(loop.iter)
    inside = replace(scope, names=scope.names - names, open_ended=False)
    if root in scope.names:
        inside = replace(scope, names=scope.names | names, open_ended=root not in scope.counted)
    elif not _harmless(loop.iter, scope):
        yield loop.lineno
    if loop.test is not None and not _harmless(loop.test, inside):
        yield loop.lineno
    yield from _offences(nodes.Template(loop.body), inside)
    yield from _offences(nodes.Template(loop.else_), scope)


def _harmless(node: nodes.Node, scope: _Scope) -> bool:
    """Whether an expression prints lines as they are, asks whether they are there, or has nothing to do with them."""
    if isinstance(node, nodes.Getattr | nodes.Getitem) and _root(node) == "loop":
        return not (scope.open_ended and _attribute(node) in _COUNTS)
    if _root(node) is not None:
        return True
    if isinstance(node, nodes.Filter) and node.node is not None and _root(node.node) in scope.names:
        shown = node.name in _HARMLESS and all(_fixed(one, scope) for one in [*node.args, *node.kwargs])
        return shown or _fixed(node, scope)
    if isinstance(node, nodes.Not | nodes.And | nodes.Or | nodes.CondExpr):
        return all(_harmless(child, scope) for child in node.iter_child_nodes())
    return _fixed(node, scope)


def _fixed(node: nodes.Node, scope: _Scope) -> bool:
    """Whether an expression has the same value for all letters."""
    if isinstance(node, nodes.Filter) and node.name == "length" and isinstance(node.node, nodes.Name):
        return node.node.name not in scope.names or node.node.name in scope.counted
    if isinstance(node, nodes.Name):
        return node.name not in scope.names and not (scope.open_ended and node.name == "loop")
    return all(_fixed(child, scope) for child in node.iter_child_nodes())


def _root(node: nodes.Node) -> str | None:
    """The name that `lines`, `lines[0]` or `loop.last` is read from; None for another expression."""
    while isinstance(node, nodes.Getattr | nodes.Getitem):
        if isinstance(node, nodes.Getitem) and not isinstance(node.arg, nodes.Const):
            return None
        node = node.node
    return node.name if isinstance(node, nodes.Name) else None


def _attribute(node: nodes.Getattr | nodes.Getitem) -> object:
    return node.attr if isinstance(node, nodes.Getattr) else node.arg.as_const()


def _names(found: Sequence[nodes.Node]) -> frozenset[str]:
    own = [node for node in found if isinstance(node, nodes.Name)]
    return frozenset(name.name for name in [*own, *(name for node in found for name in node.find_all(nodes.Name))])
