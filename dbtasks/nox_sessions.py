"""Helpers for a team's own noxfile: sessions whose commands see the default tier and nothing else.

    import nox
    from dbtasks import nox_sessions

    @nox.session
    def tests(session: nox.Session) -> None:
        session.install("-e", ".", "pytest")
        nox_sessions.tests(session)

Nothing but Nox and the standard library is imported, so that a noxfile works where only `dbtasks` itself is installed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import nox

UNDER_PYTEST = "DBTASKS_UNDER_PYTEST"  # as dbtasks.pin knows it

_WAY_IN = re.compile(r"\bpostgres(?:ql)?(?:\+\w+)?:", re.IGNORECASE)
_FLAG = re.compile(r"USE_\w+_DATABASE", re.IGNORECASE)
_ALWAYS = ("DBTASKS_HANDED_TIER", "DBTASKS_HANDED_URL")


def scrubbed(environ: Mapping[str, str], *, flags: tuple[str, ...] = (), keep: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the environment without flags, `PG*` and whatever holds a PostgreSQL URL.

    `flags` are a project's own names for flags, where they are not `USE_..._DATABASE`; `keep` names the variable of the
    default tier's URL.

    >>> scrubbed({"USE_PROD_DATABASE": "true", "PGHOST": "db-7", "stg_database_url": "postgresql://db-7/a", "CI": "1"})
    {'CI': '1'}
    >>> scrubbed({"test_database_url": "postgresql://localhost/shop_int"}, keep=("test_database_url",))
    {'test_database_url': 'postgresql://localhost/shop_int'}
    """
    gone = {name.upper() for name in flags}
    kept = {name.upper() for name in keep}
    return {
        name: value
        for name, value in environ.items()
        if name.upper() in kept
        or not (
            name.upper() in gone
            or name in _ALWAYS
            or name.startswith("PG")
            or _FLAG.fullmatch(name)
            or _WAY_IN.search(value)
        )
    }


def scrubbed_env(
    session: nox.Session, *, flags: tuple[str, ...] = (), keep: tuple[str, ...] = ("test_database_url",)
) -> dict[str, str | None]:
    """Return what to pass to `session.run(..., env=...)`, so that no flag and no way in gets into a session.

    Nox gives a session the whole environment: what is to go stands here as `None`.
    """
    before = {name: value for name, value in {**os.environ, **session.env}.items() if value is not None}
    after = scrubbed(before, flags=flags, keep=keep)
    return {name: None for name in before if name not in after}


def pinned_env(
    session: nox.Session, *, flags: tuple[str, ...] = (), keep: tuple[str, ...] = ("test_database_url",)
) -> dict[str, str | None]:
    """Return the same with the pin: Python processes of the session reach the default tier only, as tests do."""
    return {**scrubbed_env(session, flags=flags, keep=keep), UNDER_PYTEST: str(os.getpid())}


def tests(
    session: nox.Session,
    *arguments: str,
    flags: tuple[str, ...] = (),  # noqa: PT028  # a session, not a test
    keep: tuple[str, ...] = ("test_database_url",),  # noqa: PT028
) -> None:
    """Run pytest on the default tier, with what stands after `--` on Nox's command line."""
    env = pinned_env(session, flags=flags, keep=keep)
    session.run("python", "-m", "pytest", *arguments, *session.posargs, env=env)
