"""A parsed statement as a tree that is read by name, whatever library parsed it.

The names of kinds and fields are those of PostgreSQL's own parse tree (src/include/nodes/parsenodes.h) as libpg_query
gives them. A field that is not there reads as an empty node, an empty text, 0 or False.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class Node:
    """One node. It is read only, and false where there is nothing."""

    __slots__ = ("_message",)

    def __init__(self, message: Any = None) -> None:  # a protobuf message of generated code
        self._message = message

    def __bool__(self) -> bool:
        return self._message is not None

    @property
    def kind(self) -> str:
        """The node's type, such as `DropStmt`."""
        return "" if self._message is None else str(self._message.DESCRIPTOR.name)

    def child(self, name: str) -> Node:
        if self._message is None or name not in self._message.DESCRIPTOR.fields_by_name:
            return Node()
        return Node(_bare(getattr(self._message, name))) if self._message.HasField(name) else Node()

    def children(self, name: str) -> tuple[Node, ...]:
        """Return the members of a list; empty ones stand for what SQL leaves out."""
        if self._message is None or name not in self._message.DESCRIPTOR.fields_by_name:
            return ()
        return tuple(Node(_bare(each)) for each in getattr(self._message, name))

    def text(self, name: str) -> str:
        """Return a text, or the name of an enumeration's member."""
        if self._message is None or (field := self._message.DESCRIPTOR.fields_by_name.get(name)) is None:
            return ""
        value = getattr(self._message, name)
        return str(field.enum_type.values_by_number[value].name) if field.enum_type is not None else str(value)

    def number(self, name: str) -> int:
        if self._message is None or name not in self._message.DESCRIPTOR.fields_by_name:
            return 0
        return int(getattr(self._message, name))

    def flag(self, name: str) -> bool:
        return bool(self.number(name))

    def names(self, name: str) -> tuple[str, ...]:
        """Return the texts of a list of names, such as a column list or a qualified name."""
        return tuple(each.text("sval") for each in self.children(name) if each.kind == "String")

    def walk(self) -> Iterator[Node]:
        """Yield this node and all that are under it, from the top."""
        waiting = [self._message]  # no recursion: a text of 50,000 operators is that deep
        while waiting:
            if (message := waiting.pop()) is None:
                continue
            yield Node(message)
            below = [value for field, value in message.ListFields() if field.message_type is not None]
            members = [each for value in below for each in ((value,) if hasattr(value, "DESCRIPTOR") else value)]
            waiting += [_bare(each) for each in reversed(members)]

    def altered(self, **values: object) -> Node:
        """Return a copy with other values."""
        message = type(self._message)()
        message.CopyFrom(self._message)
        for name, value in values.items():
            setattr(message, name, value)
        return Node(message)

    @property
    def message(self) -> Any:
        """The library's own object, for whoever writes it as SQL again."""
        return self._message


def _bare(message: Any) -> Any:
    """Take a node out of the wrapper that stands for `any kind of node`; `None` where it holds none."""
    if message.DESCRIPTOR.name != "Node":
        return message
    which = message.WhichOneof("node")
    return getattr(message, which) if which else None
