"""The one spelling of a value, as plain data: what a plan's hash is made from, and what JSON shows of it."""

from __future__ import annotations

import enum
import functools
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import timedelta
from typing import Any


def canonical(value: object) -> object:
    """Return values as data that JSON can hold. TypeError for a type that has no one spelling."""
    if type(value) is str:  # nearly all of them, in hundreds of revisions
        return value
    if is_dataclass(value):
        kind: Any = type(value)
        content = {name: canonical(getattr(value, name)) for name in _names(kind)}
        return {"is": kind.__name__, **content}
    if isinstance(value, tuple):
        return [canonical(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): canonical(item) for key, item in value.items()}
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, enum.Enum):
        return value.name
    if value is None or isinstance(value, str | int | bool):
        return value
    # A type that has no one spelling must not slip into a hash that people consent to.
    raise TypeError(f"a plan cannot hold a {type(value).__name__}")


@functools.cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))
