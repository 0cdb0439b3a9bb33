"""One key of `config/tiers.yaml` as a value: what it is for, what it may hold, an example."""

from __future__ import annotations

import enum

from dbtasks.values import dataclass

PATH = r"[^\x00-\x1f\x7f]{1,200}"
PATH_EXPECTED = "a path inside the project, written from its top folder"
# At most what PostgreSQL takes for its own limits.
_TIME = r"[1-9][0-9]{0,3} (?:millisecond|second|minute)s?|[1-9][0-9]? hours?"


class Shape(enum.Enum):
    TEXT = enum.auto()
    TEXTS = enum.auto()
    CHOICE = enum.auto()
    TRUTH = enum.auto()
    SECTION = enum.auto()
    SECTIONS = enum.auto()
    MARKERS = enum.auto()
    LISTS = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key.

    `pattern` is for each text, or for each key of SECTIONS, MARKERS and LISTS. A `secret` value is never quoted.
    """

    name: str
    summary: str
    expected: str
    example: str
    shape: Shape = Shape.TEXT
    pattern: str = ""
    choices: tuple[str, ...] = ()
    default: str = ""
    required: bool = False
    secret: bool = False
    section: tuple[Key, ...] = ()


def words(name: str, summary: str, expected: str, example: str) -> Key:
    pattern = r"[^\x00-\x1f\x7f]{1,200}"
    return Key(name=name, summary=summary, shape=Shape.TEXTS, expected=expected, pattern=pattern, example=example)


def truth(name: str, summary: str) -> Key:
    return Key(
        name=name,
        summary=summary,
        shape=Shape.TRUTH,
        expected="true or false",
        choices=("true", "false"),
        example="false",
        default="false",
    )


def time(name: str, summary: str, default: str = "", *, none: bool = False) -> Key:
    """Return the key of a time span; with `none` also that word."""
    expected = "a number of milliseconds, seconds, minutes or hours"
    return Key(
        name=name,
        summary=summary,
        expected=f"{expected}, or none" if none else expected,
        pattern=f"none|{_TIME}" if none else _TIME,
        example=default or "10 minutes",
        default=default,
    )


def path(name: str, summary: str, default: str) -> Key:
    return Key(name=name, summary=summary, expected=PATH_EXPECTED, pattern=PATH, example=default, default=default)


def section(name: str, summary: str, example: str, keys: tuple[Key, ...]) -> Key:
    shape, expected = Shape.SECTION, "keys with values"
    return Key(name=name, summary=summary, shape=shape, expected=expected, example=example, section=keys)


def choice(name: str, summary: str, choices: tuple[str, ...], *, required: bool = False) -> Key:
    alternatives = f"{', '.join(choices[:-1])} or {choices[-1]}"
    return Key(
        name=name,
        summary=summary,
        shape=Shape.CHOICE,
        expected=alternatives,
        choices=choices,
        example=choices[-1],
        required=required,
    )
