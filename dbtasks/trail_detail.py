"""What may stand in an entry: masked text, plain JSON values, and not too much of them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TypeAlias

from dbtasks.masking import HIDDEN, mask

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"

MAX_DETAIL_BYTES = 32 * 1024
_MAX_TEXT = 2_000
_MAX_ITEMS = 100
_MAX_DEPTH = 5
_SECRET_NAME = re.compile(r"pass(word|wd|phrase)$|pwd$|secret|token$|api_?key|credential", re.IGNORECASE)
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def clean(detail: Mapping[str, object]) -> JsonValue:
    """Return the detail of an entry as JSON values: masked, trimmed, and only its size where that is still too much.

    >>> clean({"to": "e902", "password": "hunter2", "rows": 3})
    {'to': 'e902', 'password': '***', 'rows': 3}
    """
    value = _clean(detail, _MAX_DEPTH)
    size = len(encode(value))
    return value if size <= MAX_DETAIL_BYTES else {"left_out_bytes": size}


def encode(value: JsonValue) -> bytes:
    """Return compact JSON in UTF-8, keys in the order given; what is no text (bytes of a file name) becomes "?"."""
    return _ENCODER.encode(value).encode("utf-8", "replace")


def _clean(value: object, depth: int) -> JsonValue:
    match value:
        case None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case str():
            return _shortened(mask(value))  # masked first: half a secret would not be found
        case Mapping() if depth > 0:
            pairs = ((mask(str(key)), item) for key, item in islice(value.items(), _MAX_ITEMS))
            return {key: HIDDEN if _hides(key, item) else _clean(item, depth - 1) for key, item in pairs}
        case list() | tuple() | set() | frozenset() if depth > 0:
            return _items(value, len(value), depth)
        case _:
            return _shortened(mask(str(value)))


def _items(values: Iterable[object], count: int, depth: int) -> JsonValue:
    kept: list[JsonValue] = [_clean(item, depth - 1) for item in islice(values, _MAX_ITEMS)]
    return kept if count <= _MAX_ITEMS else [*kept, f"... and {count - _MAX_ITEMS:,} more"]


def _hides(key: str, item: object) -> bool:
    """Return whether a key's name says that its value is a secret, whatever that looks like."""
    return isinstance(item, str) and _SECRET_NAME.search(key) is not None


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}... and {len(text) - _MAX_TEXT:,} more characters"
