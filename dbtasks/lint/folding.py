"""The text of a statement that a block puts together at run time, as far as its expression shows it."""

from __future__ import annotations

import re

from dbtasks.lint.tree import Node

# Stands for what only the run knows, where a name or a value is put in.
UNKNOWN = "unknown_at_this_point"

_FORMAT = re.compile(r"%(?:(?:\d+\$)?-?\d*[sIL]|%)")


def folded(node: Node) -> str | None:
    """Return the text that an expression gives, with a word in the place of what is unknown; `None` where all is.

    Literals, `||`, `format`, `concat`, `quote_ident`, `quote_literal` and casts are understood.
    """
    text = _folded(node)
    return None if text is None or text.strip() == UNKNOWN else text


def _folded(node: Node) -> str | None:
    match node.kind:
        case "A_Const":
            return node.child("sval").text("sval") if node.child("sval") else UNKNOWN
        case "TypeCast":
            return _folded(node.child("arg"))
        case "A_Expr" if node.names("name") == ("||",):
            return f"{_folded(node.child('lexpr'))}{_folded(node.child('rexpr'))}"
        case "FuncCall":
            return _called(node.names("funcname")[-1:], node.children("args"))
        case _:
            return UNKNOWN


def _called(name: tuple[str, ...], arguments: tuple[Node, ...]) -> str:
    if name == ("format",) and arguments and (text := _folded(arguments[0])) is not None:
        return _FORMAT.sub(lambda found: "%" if found[0] == "%%" else UNKNOWN, text)
    if name == ("concat",):
        return "".join(_folded(each) or "" for each in arguments)
    return UNKNOWN
