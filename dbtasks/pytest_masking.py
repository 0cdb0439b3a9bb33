"""Hides the passwords of the databases that tests run on in what pytest reports of a failed one.

A fixture must give a URL that works, so tracebacks, compared values and captured output hold it. Hidden are the
passwords that this process was given, and no other text: a project that tests a URL parser sees its own examples.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator
from typing import Any, TypeVar
from urllib.parse import unquote

import pytest

from dbtasks.masking import HIDDEN, ORDINARY, forms
from dbtasks.masking_places import Span, places
from dbtasks.pin import PIN

# A shorter one may be a word of any sentence: it is hidden where passwords stand only.
_TELLING = 8

# What pytest leaves of a long text: its two ends. The start of a password, and the end of one.
_CUT = re.compile(r"[:'\"=]([^\s:@/'\"=]+)\.\.\.|(?:\.\.\.|[\s'\"])([^\s:@/'\"]+)@")

_Report = TypeVar("_Report", pytest.TestReport, pytest.CollectReport)


class Hider:
    """Hides the passwords of these URLs, in whatever form a text has them."""

    def __init__(self, urls: Iterable[str]) -> None:
        self._forms: set[str] = set()
        self._anywhere: list[str] = []
        for url in urls:
            spans = list(places(url))
            rest = _replaced(url, spans)
            for secret in {unquote(url[start:end]) for start, end in spans} - {""}:
                self._forms |= forms(secret)
                if len(secret) >= _TELLING and secret not in ORDINARY and secret not in rest:
                    self._anywhere += forms(secret)

    def hide(self, text: str) -> str:
        """Return the text without the passwords; the same text where there is none."""
        return _replaced(text, [*self._in_places(text), *self._wherever(text), *self._cut(text)])

    def _in_places(self, text: str) -> Iterator[Span]:
        if not any(form in text for form in self._forms):
            return
        for start, end in places(text):
            for form in self._forms:
                found = text.find(form, start, end)
                if found >= 0:
                    yield found, found + len(form)

    def _wherever(self, text: str) -> Iterator[Span]:
        for form in self._anywhere:
            for found in re.finditer(re.escape(form), text):
                yield found.span()

    def _cut(self, text: str) -> Iterator[Span]:
        for found in _CUT.finditer(text):
            head, tail = found.groups()
            if head and any(form.startswith(head) for form in self._forms):
                yield found.span(1)
            if tail and any(form.endswith(tail) for form in self._forms):
                yield found.span(2)


def hide_in(value: Any, hider: Hider) -> Any:
    """Return a report's text, or its traceback in pytest's own classes, which is changed in place, without passwords.

    What is neither is left as it is.
    """
    if isinstance(value, str):
        return hider.hide(value)
    if type(value) in (list, tuple):
        return type(value)([hide_in(each, hider) for each in value])
    if type(value).__module__.startswith("_pytest."):
        for name, before in list(vars(value).items()):
            after = hide_in(before, hider)
            if after is not before:
                object.__setattr__(value, name, after)  # some are frozen
    return value


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _hidden((yield))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _hidden((yield))


def _hidden(report: _Report) -> _Report:
    if PIN.root and (report.longrepr is not None or report.sections):
        hider = Hider({PIN.url, *PIN.elsewhere})
        report.longrepr = hide_in(report.longrepr, hider)
        report.sections = hide_in(report.sections, hider)
    return report


def _replaced(text: str, spans: Iterable[Span]) -> str:
    done, parts = 0, []
    for start, end in sorted(spans):
        if end > done:
            parts += [text[done:start], HIDDEN] if start >= done else []
            done = end
    return "".join([*parts, text[done:]])
