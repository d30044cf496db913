"""What a template may say: an allow-list of syntax, so that no template can run on or build huge strings."""

from dataclasses import dataclass, replace

from jinja2 import nodes

from uamail.errors import InputError

# Left out on purpose: arithmetic, joining, assignment, include, import, autoescape. The sandbox stops escapes only;
# assignment would let a text double itself forty times over (T4 of the threat list).
_ALLOWED: frozenset[type[nodes.Node]] = frozenset(
    {
        nodes.And,
        nodes.Block,
        nodes.Call,
        nodes.Compare,
        nodes.CondExpr,
        nodes.Const,
        nodes.Extends,
        nodes.Filter,
        nodes.For,
        nodes.Getattr,
        nodes.Getitem,
        nodes.If,
        nodes.Keyword,
        nodes.List,
        nodes.Macro,
        nodes.Name,
        nodes.Neg,
        nodes.Not,
        nodes.Operand,
        nodes.Or,
        nodes.Output,
        nodes.Slice,
        nodes.Template,
        nodes.TemplateData,
        nodes.Test,
        nodes.Tuple,
    }
)
_SIZE_LIMIT = 64_000  # characters; the largest shipped template has under 10,000
_LOOPS_LIMIT = 2  # loops inside each other over unrelated data: the work stays within the square of the data


@dataclass(frozen=True)
class _Place:
    """Where a node stands: the names of the items of the innermost loop (or of the macro), and how deep it is."""

    items: frozenset[str] = frozenset()
    loops: int = 0
    looping: bool = False
    macro: bool = False


def check_size(source: str, *, name: str) -> None:
    """Raise InputError for a source that is too long to be parsed safely."""
    if len(source) > _SIZE_LIMIT:
        raise InputError(f"template {name}: {len(source)} characters, at most {_SIZE_LIMIT} are read")


def check(tree: nodes.Template, *, name: str) -> None:
    """Raise InputError with the template, the line and the construct when it says more than is allowed."""
    macros = frozenset(macro.name for macro in tree.find_all(nodes.Macro))
    _check(tree, _Place(), macros=macros, name=name)


def _check(node: nodes.Node, place: _Place, *, macros: frozenset[str], name: str) -> None:
    for child in node.iter_child_nodes():
        if problem := _problem(child, place, macros):
            raise InputError(f"template {name}, line {child.lineno}: {problem}")
        _check(child, _inside(child, place), macros=macros, name=name)


def _problem(node: nodes.Node, place: _Place, macros: frozenset[str]) -> str | None:
    if type(node) not in _ALLOWED:
        return f"templates may not use {type(node).__name__}"
    if isinstance(node, nodes.Name) and node.name == "self":
        return "templates may not look at themselves"
    if isinstance(node, nodes.Call) and (place.macro or not _calls_macro(node, macros)):
        return "only a macro of the same template may be called, with plain values, and not by a macro"
    if isinstance(node, nodes.For) and (
        node.recursive or _root(node.iter) is None or _inside(node, place).loops > _LOOPS_LIMIT
    ):
        return f"a loop runs over given data, at most {_LOOPS_LIMIT} deep unless over the item of the outer loop"
    if isinstance(node, nodes.Block | nodes.Macro) and (place.looping or place.macro):
        return "blocks and macros stand outside of loops and macros"
    return None


def _inside(node: nodes.Node, place: _Place) -> _Place:
    if isinstance(node, nodes.Macro):
        names = frozenset(argument.name for argument in node.args)
        return _Place(items=names, loops=_LOOPS_LIMIT, macro=True)
    if not isinstance(node, nodes.For):
        return place
    fresh = _root(node.iter) not in place.items
    return replace(place, items=_names(node.target), loops=place.loops + fresh, looping=True)


def _calls_macro(call: nodes.Call, macros: frozenset[str]) -> bool:
    """Plain values only as arguments: a call within a call would double its text at every depth."""
    values = [*call.args, *(keyword.value for keyword in call.kwargs)]
    plain = all(isinstance(value, nodes.Const) or _root(value) for value in values)
    known = isinstance(call.node, nodes.Name) and call.node.name in macros
    return known and plain and call.dyn_args is None and call.dyn_kwargs is None


def _root(node: nodes.Node) -> str | None:
    """The name that a value such as `label.address.rows` or `rows[0]` is read from; None for anything else."""
    while isinstance(node, nodes.Getattr | nodes.Getitem):
        if isinstance(node, nodes.Getitem) and not isinstance(node.arg, nodes.Const):
            return None
        node = node.node
    return node.name if isinstance(node, nodes.Name) else None


def _names(target: nodes.Node) -> frozenset[str]:
    found = [target] if isinstance(target, nodes.Name) else target.find_all(nodes.Name)
    return frozenset(name.name for name in found)
