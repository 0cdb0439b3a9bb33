"""The environment of a child process: the project's own variables stay, every way to another database is gone."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from urllib.parse import quote, quote_plus

_URL = re.compile(r"(postgres(?:ql)?(?:\+\w+)?|postgis|pgsql)://", re.IGNORECASE)
_KEYWORDS = re.compile(r"(?:^|\s)(?:host|hostaddr|service|dbname)\s*=\s*\S", re.IGNORECASE)
# Without these nothing runs, whatever word in them happens to be somebody's password.
_KEPT = frozenset({"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV"})
# Where a command was typed, and how deep in shells; nothing that a migration runs on.
_SESSION = frozenset(
    {
        "_",
        "COLUMNS",
        "GPG_TTY",
        "INVOCATION_ID",
        "ITERM_SESSION_ID",
        "JOURNAL_STREAM",
        "LINES",
        "MAKELEVEL",
        "OLDPWD",
        "PWD",
        "PYTEST_XDIST_TESTRUNUID",
        "PYTEST_XDIST_WORKER",
        "SECURITYSESSIONID",
        "SHLVL",
        "SSH_CLIENT",
        "SSH_CONNECTION",
        "SSH_TTY",
        "STY",
        "TERM_SESSION_ID",
        "TMUX",
        "TMUX_PANE",
        "WINDOW",
        "WINDOWID",
        "XDG_SESSION_ID",
        "XDG_VTNR",
    }
)


def scrub(
    environ: Mapping[str, str],
    *,
    url_variables: Collection[str],
    tier_url_variables: Collection[str],
    flags: Collection[str],
    secrets: Iterable[str],
    url: str,
    declared: Collection[str] = (),
) -> dict[str, str]:
    """Return the variables a child may have; each of `url_variables` names the one cleared target, `url`.

    Removed are the tiers' URL variables and the flags in either case, `PG*`, whatever is a PostgreSQL URL or key=value
    string, and whatever holds a known secret. A URL variable keeps the SQLAlchemy driver that it named before. What the
    team has `declared` stays, unless it is a PostgreSQL URL: a password may be a word that other values hold, too.

    >>> scrub({"PGHOST": "db-7", "LEVEL": "3"}, url_variables=["DATABASE_URL"], tier_url_variables=[], flags=[],
    ...       secrets=[], url="postgresql://anna@localhost/shop_int")
    {'LEVEL': '3', 'DATABASE_URL': 'postgresql://anna@localhost/shop_int'}
    """
    named = {name.upper() for name in (*url_variables, *tier_url_variables, *flags)}
    hidden = _pattern(secrets)
    kept = {
        name: value
        for name, value in environ.items()
        if name.upper() not in named
        and not name.upper().startswith("PG")
        and not _URL.search(value)
        and (name in declared or not _is_keywords(value))
        and (name in declared or name in _KEPT or not (hidden and hidden.search(value)))
    }
    if url:
        kept |= {name: _with_driver(url, environ.get(name, "")) for name in url_variables}
    return kept


def without_session(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables without those that tell only from which terminal, session or test a command was started.

    A build that could read them would depend on them. That a test is running can still be asked, not which one.

    >>> without_session({"SHLVL": "2", "LEVEL": "3", "PYTEST_CURRENT_TEST": "test_shop.py::test_a (setup)"})
    {'LEVEL': '3', 'PYTEST_CURRENT_TEST': 'a test'}
    """
    kept = {name: value for name, value in environ.items() if name not in _SESSION}
    return kept | {name: "a test" for name in kept if name == "PYTEST_CURRENT_TEST"}


def _is_keywords(value: str) -> bool:
    return len(_KEYWORDS.findall(value)) > 1


def _with_driver(url: str, before: str) -> str:
    named = re.match(r"postgres(?:ql)?(\+\w+)://", before)
    if named is None:
        return url
    # asyncpg has another word for what libpq calls sslmode, and SQLAlchemy hands it on as it is.
    ours = re.sub(r"([?&])sslmode=", r"\1ssl=", url) if named[1] == "+asyncpg" else url
    return ours.replace("://", f"{named[1]}://", 1)


def _pattern(secrets: Iterable[str]) -> re.Pattern[str] | None:
    """Return what finds a secret as a word of its own, raw or percent-encoded."""
    forms = {form for secret in secrets if secret for form in (secret, quote(secret, safe=""), quote_plus(secret))}
    if not forms:
        return None
    # As a word of its own: the password "postgres" must not remove every path of PostgreSQL's programs.
    return re.compile("|".join(rf"(?<![A-Za-z0-9]){re.escape(form)}(?![A-Za-z0-9])" for form in sorted(forms)))
