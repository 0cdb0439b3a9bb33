"""What a refused test is told: which test, which target without a secret, why, and what to do instead. Pure."""

from __future__ import annotations

import re

from dbtasks.conninfo import mask
from dbtasks.conninfo_text import UnusableError, check_host, port_number
from dbtasks.errors import RefusedError, UnheldDriverError
from dbtasks.reach.ground import Ground, Why
from dbtasks.reach.stamp import Seen
from dbtasks.reach.wanted import Wanted, place

CODE = "E-TEST-PIN"
HELD = "psycopg, psycopg2, asyncpg or pg8000"
_NAME = re.compile(r"[\w.\-]{1,63}")
_FOLDER = re.compile(r"[@/][\w./\-]*")
_BY_OTHER_MEANS = {Why.UNKNOWN_DRIVER, Why.BYPASS, Why.RAW}
_STATUS = "To see what the tests use: invoke status"

_SAW = {
    Why.UNREADABLE: "{who} tried to connect, with parameters that cannot be read.",
    Why.NO_DATABASE: "{who} tried to connect to {target}, and this run has no database.",
    Why.SERVICE: "{who} tried to connect through a connection service, whose place stands in another file.",
    Why.SEVERAL_HOSTS: "{who} tried to connect to one of several hosts; which one answers would be chance.",
    Why.REPLICATION: "{who} tried to open physical replication to {target}, which is of a whole server.",
    Why.OTHER_DATABASE: "{who} tried to connect to {target}.",
    Why.OTHER_TIERS_SERVER: "{who} tried to connect to {target}, a server that is not the default tier's.",
    Why.NO_STAMP: "{who} connected to {target}, which bears no stamp of its own. The connection is closed.",
    Why.OTHER_STAMP: "{who} connected to {target}, which is stamped {stamp}. The connection is closed.",
    Why.OTHER_SERVER: "{who} connected to {target}, which is on another server. The connection is closed.",
    Why.UNKNOWN_DRIVER: "{who} tried to use {driver}, a PostgreSQL driver that dbtasks does not hold.",
    Why.RAW: "{who} tried to speak PostgreSQL's protocol by itself to {target}.",
    Why.BYPASS: "{who} tried to call {driver} of libpq itself.",
}


def refuse(
    why: Why, ground: Ground, test: str, *, wanted: Wanted | None = None, seen: Seen | None = None, driver: str = ""
) -> RefusedError:
    """Return the refusal. `test` is pytest's name of the one that is running, empty where none is."""
    words = {
        "who": test.rpartition(" (")[0] or test or "A test process, outside of any test,",
        "target": shown(wanted) if wanted else "a server",
        "stamp": _stamp(seen) if seen else "",
        "driver": driver if re.fullmatch(r"[\w.]+", driver) else "a function",
    }
    allowed = f"{ground.shown} and its clones" if ground.database else "the default tier"
    unheld = why is Why.UNKNOWN_DRIVER
    return (UnheldDriverError if unheld else RefusedError)(
        code=CODE,
        saw=mask(_SAW[why].format_map(words)),
        why=f"Tests run on {allowed} only; no setting changes that.",
        instead=f"Use {HELD} in tests." if why in _BY_OTHER_MEANS else _STATUS,
    )


def shown(wanted: Wanted) -> str:
    """Return a target as people may read it, or nothing of it: a badly written URL puts its password anywhere.

    >>> shown(Wanted(host="db-7", port="5432", database="app_prod"))
    'app_prod on db-7:5432'
    >>> shown(Wanted(host="ss@db-7", port="5432", database="app_prod"))
    'a target that is not shown, since it may hold a password'
    """
    try:
        legible = _is_legible(wanted)
    except UnusableError:
        legible = False
    if not legible:
        return "a target that is not shown, since it may hold a password"
    return f"{wanted.database or 'no database'} on {place(wanted.host or 'the default socket', wanted.port)}"


def _is_legible(wanted: Wanted) -> bool:
    port_number(wanted.port)
    if wanted.host and not _FOLDER.fullmatch(wanted.host):
        check_host(wanted.host)
        if wanted.host.startswith("/"):
            return False
    return not wanted.database or bool(_NAME.fullmatch(wanted.database))


def _stamp(seen: Seen) -> str:
    tier, project = (text if _NAME.fullmatch(text) else "..." for text in (seen.tier, seen.project))
    return f"[{tier.upper()}] of project {project}"
