"""The variables that hold URLs: the environment over the project's `.env`."""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Literal

from dbtasks.conninfo import parse
from dbtasks.errors import ConninfoError, Mistake, SettingsError
from dbtasks.masking import remember
from dbtasks.project_files import read_project_file
from dbtasks.settings import Settings
from dbtasks.settings_keys import DEPRECATED_FLAG
from dbtasks.tiers import Consent, Tier
from dbtasks.values import dataclass
from dbtasks.wording import quoted

ENV_FILE = ".env"
IN_A_FILE = "_FILE"
_LONGEST_BYTES = 16_384
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_OTHERS = 0o066  # the group and everybody else: reading and writing


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A variable's text and where it was found; `variable` is the spelling that was set."""

    text: str = field(repr=False)
    source: Literal["environment", ".env"]
    variable: str
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Variables:
    """What is set. A name and its upper-case twin are one variable, and one that is empty counts as unset.

    In the environment a URL may also lie in a file, which a variable of that name with `_FILE` behind it tells.
    """

    environment: Mapping[str, Value] = field(repr=False)
    file: Mapping[str, Value] = field(repr=False)
    notices: tuple[str, ...] = ()

    def get(self, name: str) -> Value | None:
        """Return the value that counts; `SettingsError` when two spellings of `name` are set and differ."""
        for values in (self.environment, self.file):
            found = _twins(values, name)
            files = _twins(values, f"{name}{IN_A_FILE}") if values is self.environment else []
            if _differ(found) or _differ(files) or (found and files):
                raise SettingsError([_disagreement(found + files)])
            if found:
                return found[0]
            if files:
                return _read_secret(files[0])
        return None

    def known(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the texts of these variables, as far as they can be read."""
        texts = []
        for name in names:
            with contextlib.suppress(SettingsError):
                value = self.get(name)
                texts += [value.text] if value is not None else []
        return tuple(texts)


def read_variables(settings: Settings, environ: Mapping[str, str]) -> Variables:
    """Return what the environment and `.env` hold, with notices to show.

    The password of every URL that is found, and every token, is remembered, so that `mask` knows it. `SettingsError`
    holds every mistake: in `.env`, in a variable's spelling, and in permissions that would show a URL to others.
    """
    file, mode = _read_file(settings.root)
    environment = {
        name: Value(text=text, source="environment", variable=name) for name, text in environ.items() if text
    }
    scratch = (settings.migrations.scratch,) if settings.migrations.scratch else ()
    names = (*(name for _, name in _url_names(settings)), *settings.migrations.url_variables, *scratch)
    spelled = [_twins(values, name) for name in names for values in (environment, file)]
    for value in (value for found in spelled for value in found):
        _remember(value)
    tokens = [(tier, tier.recovery.token) for tier in settings.tiers if tier.recovery.token]
    for value in (value for _, name in tokens for values in (environment, file) for value in _twins(values, name)):
        remember(value.text)
    mistakes = [_disagreement(found) for found in _unique(spelled) if _differ(found)]
    in_file = [(tier, value) for tier, name in (*_url_names(settings), *tokens) for value in _twins(file, name)]
    mistakes += _exposed(in_file, mode)
    if mistakes:
        raise SettingsError(mistakes)
    notices = (*_file_notices(in_file, mode), *_flag_notices(settings, file))
    return Variables(environment=environment, file=file, notices=notices)


def _read_file(root: Path) -> tuple[dict[str, Value], int]:
    """Return what `.env` sets, without what it leaves empty, and its permission bits."""
    path = root / ENV_FILE
    if path.is_dir() or not (path.exists() or path.is_symlink()):  # a folder .env is somebody's virtual environment
        return {}, 0
    content = read_project_file(root, path, shown=ENV_FILE)
    from dotenv.parser import parse_stream  # late: most environments have no .env

    values: dict[str, Value] = {}
    mistakes: list[Mistake] = []
    for binding in parse_stream(io.StringIO(content.text, newline="")):
        line = binding.original.line + _blank_lines(binding.original.string)
        name = binding.key
        if binding.error or (name is not None and (binding.value is None or not _NAME.fullmatch(name))):
            text = "expected NAME=value, found something that is not shown here. Correct or delete it."
            mistakes.append(Mistake(file=ENV_FILE, line=line, text=text))
        elif name is not None and name in values:
            text = f"{quoted(name)} is set twice, first in line {values[name].line}. Delete one."
            mistakes.append(Mistake(file=ENV_FILE, line=line, text=text))
        elif name is not None:
            values[name] = Value(text=binding.value or "", source=".env", variable=name, line=line)
    if mistakes:
        raise SettingsError(mistakes)
    return {name: value for name, value in values.items() if value.text}, content.mode


def _blank_lines(text: str) -> int:
    """Return how many lines stand before a binding: python-dotenv counts from the end of the binding before."""
    before = text[: len(text) - len(text.lstrip())]
    return len(re.findall(r"\r\n|\n|\r", before))


def _read_secret(where: Value) -> Value:
    """Return what the file holds that a variable names: a single line."""
    try:
        with Path(where.text).open("rb") as file:
            content = file.read(_LONGEST_BYTES + 1)
        text = content.decode().strip()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it holds no text"
        raise SettingsError([_unusable(where, f"the file that it names cannot be read: {why}.")]) from None
    if not text or len(content) > _LONGEST_BYTES or len(text.splitlines()) > 1:
        raise SettingsError([_unusable(where, "the file that it names holds no single line with a URL.")])
    value = Value(text=text, source="environment", variable=where.variable)
    _remember(value)
    return value


def _unusable(where: Value, text: str) -> Mistake:
    return Mistake(file=where.source, line=where.line, path=where.variable, text=text)


def _url_names(settings: Settings) -> Iterator[tuple[Tier, str]]:
    for tier in settings.tiers:
        for name in tier.url_variables:
            yield tier, name


def _twins(values: Mapping[str, Value], name: str) -> list[Value]:
    return [values[spelling] for spelling in dict.fromkeys((name, name.lower(), name.upper())) if spelling in values]


def _differ(found: list[Value]) -> bool:
    return len({value.text for value in found}) > 1


def _unique(spelled: list[list[Value]]) -> Iterator[list[Value]]:
    """Yield each variable once: `database_url` and `DATABASE_URL` may both be named in the settings."""
    seen: set[frozenset[tuple[str, str]]] = set()
    for found in spelled:
        key = frozenset((value.source, value.variable) for value in found)
        if key not in seen:
            seen.add(key)
            yield found


def _remember(value: Value) -> None:
    # A password makes itself known when it is parsed, also in a text that is refused; whoever uses the variable is
    # told what is wrong with it.
    with contextlib.suppress(ConninfoError):
        parse(value.text, variable=value.variable)


def _disagreement(found: list[Value]) -> Mistake:
    first, second = found[:2]
    text = f"{first.variable} and {second.variable} are one variable, and are set to different values. Unset one."
    return Mistake(file=first.source, line=second.line, text=text)


def _exposed(in_file: list[tuple[Tier, Value]], mode: int) -> list[Mistake]:
    if os.name == "nt" or not mode & _OTHERS:
        return []
    return [
        Mistake(
            file=ENV_FILE,
            line=value.line,
            text=f"others can read or change this file (mode {mode:o}), and {value.variable} leads to [{tier.label}]. "
            "Run: chmod 600 .env",
        )
        for tier, value in in_file
        if tier.consent is Consent.PERSON
    ]


def _file_notices(in_file: list[tuple[Tier, Value]], mode: int) -> Iterator[str]:
    if in_file and os.name != "nt" and mode & _OTHERS:
        yield f"{ENV_FILE}: others can read or change this file (mode {mode:o}). Run: chmod 600 .env"
    for tier, value in in_file:
        if tier.consent is Consent.PERSON:
            yield (
                f"{ENV_FILE}:{value.line}: {value.variable} leads to [{tier.label}] for every command run here. "
                "Keep it in a secret store, and set it only where it is needed."
            )


def _flag_notices(settings: Settings, file: Mapping[str, Value]) -> Iterator[str]:
    for flag in [*(tier.flag for tier in settings.tiers if tier.flag), DEPRECATED_FLAG]:
        for value in _twins(file, flag):
            yield (
                f"{ENV_FILE}:{value.line}: {value.variable} is ignored: in a file it would count for every command. "
                "Delete it here, and set it for the one command that needs it."
            )
