"""From plain data back to the values of a plan: what `canonical` writes, read strictly."""

from __future__ import annotations

import enum
import functools
import types
import typing
from collections.abc import Mapping
from dataclasses import is_dataclass
from datetime import timedelta
from typing import Any

from dbtasks.plan import Step

_STEPS: dict[str, type] = {kind.__name__: kind for kind in typing.get_args(Step)}


def step(data: object) -> Step:
    """Return the step that the data spells. ValueError where it spells none."""
    if not isinstance(data, Mapping) or data.get("is") not in _STEPS:
        raise ValueError("a step that this version does not know")
    decoded: Step = value(data, _STEPS[str(data["is"])])
    return decoded


def value(data: object, kind: Any) -> Any:
    """Return the value of a type that the data spells. ValueError where it spells none."""
    if typing.get_origin(kind) is tuple:
        if not isinstance(data, list):
            raise ValueError("expected a list")
        return tuple(value(each, typing.get_args(kind)[0]) for each in data)
    if isinstance(kind, types.UnionType):
        inner = next(each for each in kind.__args__ if each is not type(None))
        return None if data is None else value(data, inner)
    if is_dataclass(kind):
        return _fields(data, kind)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        if not isinstance(data, str) or data not in kind.__members__:
            raise ValueError(f"expected one of {', '.join(kind.__members__)}")
        return kind[data]
    if kind is timedelta:
        if type(data) not in (int, float):
            raise ValueError("expected a time")
        return timedelta(seconds=typing.cast(float, data))
    if type(data) is not kind:  # True is an int, too
        raise ValueError(f"expected {kind.__name__}")
    return data


def _fields(data: object, kind: Any) -> Any:
    hints = _hints(kind)
    if not isinstance(data, Mapping) or data.keys() != {"is", *hints} or data["is"] != kind.__name__:
        raise ValueError(f"expected {kind.__name__}")
    return kind(**{name: value(data[name], each) for name, each in hints.items()})


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)
