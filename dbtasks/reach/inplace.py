"""Changes types in place, also those of C: a reference that somebody took before leads to the held one all the same.

Types that extension modules define refuse to be changed. CPython keeps that in a flag, which is taken off for the
moment; the flag's place is known by comparing what stands there with what Python says of the type.
"""

from __future__ import annotations

import ctypes
import gc
import threading
from collections.abc import Callable
from typing import Any

_IMMUTABLE = 1 << 8  # Py_TPFLAGS_IMMUTABLETYPE
_WORDS_BEFORE_FLAGS = 19  # of a PyTypeObject, after the head that all objects have
_lock = threading.Lock()


class CannotHoldError(Exception):
    """This interpreter or this version of a driver is not built as expected."""


def replace(type_: type, name: str, value: object) -> None:
    """Set an attribute of a type, of C or not, for everybody who has it."""
    try:
        setattr(type_, name, value)
    except TypeError:
        with _lock:
            flags = _flags(type_)
            flags.value &= ~_IMMUTABLE
            try:
                setattr(type_, name, value)
            finally:
                flags.value |= _IMMUTABLE


def replace_for_python(type_: type, name: str, value: object) -> None:
    """Set an attribute of a type of C for whoever looks it up by name; what C itself calls stays as it was."""
    found = [each for each in gc.get_referents(type_.__dict__) if isinstance(each, dict) and name in each]
    if len(found) != 1:
        raise CannotHoldError(f"the type {type_.__name__} does not show its attributes")
    found[0][name] = value
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(type_))


def marked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with our mark, by which `is_marked` knows it again."""
    function.__dict__["__dbtasks_held__"] = True
    return function


def is_marked(function: object) -> bool:
    return hasattr(getattr(function, "__func__", function), "__dbtasks_held__")


def _flags(type_: type) -> ctypes.c_ulong:
    place = id(type_) + object.__basicsize__ + _WORDS_BEFORE_FLAGS * ctypes.sizeof(ctypes.c_void_p)
    flags = ctypes.c_ulong.from_address(place)
    if flags.value != type_.__flags__:
        raise CannotHoldError(f"the type {type_.__name__} is not laid out as expected")
    return flags
