"""The JSON Schema of `config/tiers.yaml`, so that an editor completes its keys and marks mistakes while one types."""

from __future__ import annotations

import json
from typing import assert_never

from dbtasks.settings_key import Key, Shape
from dbtasks.settings_keys import TOP_KEYS


def schema_text() -> str:
    """Return the text of `config/tiers.schema.json`."""
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "The tiers of a project"}
    return json.dumps({**schema, **_section(TOP_KEYS)}, indent=2) + "\n"


def _section(keys: tuple[Key, ...]) -> dict[str, object]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [key.name for key in keys if key.required],
        "properties": {key.name: {"description": key.summary, **_key(key)} for key in keys},
    }


def _key(key: Key) -> dict[str, object]:
    pattern = f"^(?:{key.pattern})$"
    match key.shape:
        case Shape.TEXT:
            default = {"default": key.default} if key.default else {}
            return {"type": "string", "pattern": pattern, "examples": [key.example], **default}
        case Shape.TEXTS:
            return {"type": "array", "uniqueItems": True, "items": {"type": "string", "pattern": pattern}}
        case Shape.CHOICE:
            return {"enum": list(key.choices)}
        case Shape.TRUTH:
            return {"type": "boolean", "default": False}
        case Shape.SECTION:
            return _section(key.section)
        case Shape.SECTIONS:
            inner = _section(key.section)
            names = {"pattern": pattern}
            return {"type": "object", "minProperties": 1, "propertyNames": names, "additionalProperties": inner}
        case Shape.MARKERS:
            values = {"type": ["string", "null"]}
            names = {"pattern": pattern}
            return {"type": "object", "minProperties": 1, "propertyNames": names, "additionalProperties": values}
        case Shape.LISTS:
            names, items = {"pattern": pattern}, {"type": "string", "pattern": pattern}
            lists = {"type": "array", "items": items}
            return {"type": "object", "minProperties": 1, "propertyNames": names, "additionalProperties": lists}
        case _:
            assert_never(key.shape)
