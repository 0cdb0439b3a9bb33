"""Data types: how SQL spells them, and when a change of type leaves the rows as they are."""

from __future__ import annotations

from dbtasks.lint.catalogue import Type
from dbtasks.lint.tree import Node

# How a length or a precision may change without a rewrite: only towards more. From PostgreSQL's support functions
# varchar_support, varbit_support, numeric_support, timestamp_support, time_support and interval_support.
_LENGTHS = frozenset(("varchar", "varbit"))
_PRECISIONS = frozenset(("timestamp", "timestamptz", "time", "timetz"))
_FINEST = 6

# What reads the other's bytes as they are, for where no catalogue says so.
_ALIKE = frozenset((("varchar", "text"), ("text", "varchar"), ("cidr", "inet")))

_LOSSY = frozenset(
    (
        ("numeric", "int2"), ("numeric", "int4"), ("numeric", "int8"), ("float4", "int2"), ("float4", "int4"),
        ("float4", "int8"), ("float8", "int2"), ("float8", "int4"), ("float8", "int8"), ("float8", "float4"),
        ("numeric", "float4"), ("numeric", "float8"), ("timestamp", "date"), ("timestamptz", "date"),
        ("timestamp", "time"), ("timestamptz", "time"), ("int8", "float4"), ("int4", "float4"), ("int8", "float8"),
        ("timestamptz", "timestamp"), ("bytea", "text"), ("json", "jsonb"), ("numeric", "money"),
    )
)  # fmt: skip


def type_of(type_name: Node) -> Type:
    """Return the type that a TypeName stands for."""
    name = (type_name.names("names") or ("",))[-1]
    mods = tuple(each.child("ival").number("ival") for each in type_name.children("typmods"))
    return Type(name=f"_{name}" if type_name.children("array_bounds") else name, mods=mods)


def keeps_rows(before: Type, after: Type, relaxed: frozenset[tuple[str, str]], *, utc: bool) -> bool:
    """Return whether no row has to be written anew. `relaxed` are pairs of types with the same bytes.

    >>> keeps_rows(Type(name="varchar", mods=(50,)), Type(name="varchar", mods=(80,)), frozenset(), utc=False)
    True
    >>> keeps_rows(Type(name="int4"), Type(name="int8"), frozenset(), utc=False)
    False
    """
    if before.name != after.name:
        pair = (before.name, after.name)
        if pair in (("timestamp", "timestamptz"), ("timestamptz", "timestamp")):
            return utc and not after.mods
        return (pair in relaxed or pair in _ALIKE) and (not after.mods or before.mods == after.mods == ())
    if before.mods == after.mods or not after.mods:
        return before.name != "bpchar" or before.mods == after.mods
    if before.name in _LENGTHS:
        return bool(before.mods) and after.mods[0] >= before.mods[0]
    if before.name in _PRECISIONS:
        return after.mods[0] >= (before.mods or (_FINEST,))[0]
    if before.name == "numeric" and before.mods:
        (digits, *scale), (old_digits, *old_scale) = after.mods, before.mods
        return (scale or [0]) == (old_scale or [0]) and digits >= old_digits
    return False


def loses(before: Type, after: Type) -> bool:
    """Return whether a value may come out as another one, silently."""
    if (before.name, after.name) in _LOSSY:
        return True
    if before.name == after.name == "numeric" and after.mods:
        return not before.mods or (*before.mods, 0)[1] > (*after.mods, 0)[1]
    return (
        before.name == after.name
        and before.name in _PRECISIONS
        and bool(after.mods)
        and (after.mods[0] < (before.mods or (_FINEST,))[0])
    )
