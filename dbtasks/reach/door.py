"""The one door that every driver of a test process goes through: judged by its text before, by its stamp after."""

from __future__ import annotations

import os
from contextlib import suppress
from importlib import import_module
from typing import NoReturn

from dbtasks.conninfo import Permit, parse
from dbtasks.errors import ConninfoError
from dbtasks.pin import PIN, Pin
from dbtasks.reach import ground, postmaster, stamp
from dbtasks.reach.ground import Ground, Why
from dbtasks.reach.ourselves import connecting, is_connecting
from dbtasks.reach.refusals import refuse
from dbtasks.reach.wanted import VARIABLES, Wanted, place
from dbtasks.values import dataclass

_TEST = "PYTEST_CURRENT_TEST"


class _OwnUrl(Permit):
    """Permission to connect to the default tier itself, to know its server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """A connection that was let through by its text, with what it is allowed by now. `ours`: no stamp is asked for."""

    wanted: Wanted
    ground: Ground
    ours: bool


class Door:
    """What this process knows: targets with the postmaster that each proved to have, and who our own server is."""

    def __init__(self, pin: Pin) -> None:
        self.pin = pin
        self._known: dict[tuple[str, str], tuple[int, int]] = {}
        self._servers: dict[str, str] = {}

    @property
    def question(self) -> str:
        """What a new session is asked."""
        return stamp.IDENTIFY if self.pin.cleared else stamp.ASK

    def before(self, wanted: Wanted) -> Errand:
        """Return the errand of a driver that is about to connect; raise RefusedError before a packet leaves."""
        __tracebackhide__ = True  # pytest shows the test's own line
        here, ours = ground_of(self.pin), is_connecting()
        why = ground.judge_ourselves(wanted, here) if ours else ground.judge(wanted, here)
        if why is not None:
            self.refuse(why, wanted=wanted)
        return Errand(wanted=wanted, ground=here, ours=ours)

    def knows(self, errand: Errand, backend: int) -> bool:
        """Return whether a new session needs no question: its backend serves a target that was asked before."""
        if errand.ours:
            return True
        known = self._known.get((errand.wanted.place, errand.wanted.database))
        return known is not None and known == postmaster.of_backend(backend, errand.wanted.database)

    def after(self, errand: Errand, answer: object, backend: int) -> None:
        """Judge a session's answer to `stamp.ASK`, `None` where it has none; RefusedError unless it is ours to use."""
        __tracebackhide__ = True
        seen, wanted = stamp.read(answer), errand.wanted
        why = self._judge(seen, wanted, errand.ground)
        if why is not None:
            self.refuse(why, wanted=wanted, seen=seen)
        backends = postmaster.of_backend(backend, wanted.database)
        if backends is not None:
            self._known[wanted.place, wanted.database] = backends

    def _judge(self, seen: stamp.Seen | None, wanted: Wanted, here: Ground) -> Why | None:
        if self.pin.cleared:
            return None if seen and (seen.server, seen.oid) == self.pin.cleared else Why.OTHER_SERVER
        why = stamp.judge(seen, here)
        if seen is None or why is not None:
            return why
        if wanted.place == here.place:
            self._servers.setdefault(here.place, seen.server)
        return None if seen.server == self._own_server(here) else Why.OTHER_SERVER

    def refuse(
        self, why: Why, *, wanted: Wanted | None = None, seen: stamp.Seen | None = None, driver: str = ""
    ) -> NoReturn:
        __tracebackhide__ = True
        test = os.environ.get(_TEST, "")
        raise refuse(why, ground_of(self.pin), test, wanted=wanted, seen=seen, driver=driver) from None

    def _own_server(self, here: Ground) -> str:
        """Return the identity of the default tier's server; it is asked where a test spells that server otherwise."""
        known = self._servers.get(here.place)
        if known is None and (known := _ask_own_server(self.pin.url)):
            self._servers[here.place] = known
        return known or ""


def ground_of(pin: Pin) -> Ground:
    """Return what a pin allows by now; nothing where its settings cannot be read."""
    entered = frozenset(place(host, port) for host, port in pin.entered)
    if pin.settings is None or pin.problem is not None:
        return Ground(project="", tier="")
    tier = pin.settings.default
    known = Ground(project=pin.settings.project, tier=tier.name, label=tier.label, entered=entered)
    own = _read(pin.url)
    if own is None:
        return known
    elsewhere = frozenset(where for where, _ in filter(None, map(_read, pin.elsewhere)))
    return Ground(
        project=known.project,
        tier=known.tier,
        label=known.label,
        place=own[0],
        database=pin.database or own[1],
        elsewhere=elsewhere,
        entered=entered,
    )


def environment() -> dict[str, str]:
    """Return what libpq would take from the environment, which holds no such variable behind Python's back."""
    for name in VARIABLES.values():
        if name not in os.environ:
            with suppress(OSError):  # on Windows, where it is not set
                os.unsetenv(name)
    return {name: os.environ[name] for name in VARIABLES.values() if name in os.environ}


_read_before: dict[str, tuple[str, str] | None] = {}


def _read(url: str) -> tuple[str, str] | None:
    """Return the place and the database of a URL; `None` where there is none."""
    if url not in _read_before:
        try:
            conninfo = parse(url, variable="a URL")
            _read_before[url] = place(conninfo.host, conninfo.port), conninfo.database
        except ConninfoError:
            _read_before[url] = None
    return _read_before[url]


def _ask_own_server(url: str) -> str:
    """Return the identifier of the server that a URL leads to, empty where it does not answer."""
    psycopg = import_module("psycopg")
    parameters = parse(url, variable="a URL").parameters(_OwnUrl())
    try:
        with connecting(), psycopg.connect(**{"connect_timeout": 10, **parameters}, autocommit=True) as connection:
            row = connection.execute("SELECT system_identifier FROM pg_catalog.pg_control_system()").fetchone()
    except psycopg.Error:
        return ""
    return str(row[0])


DOOR = Door(PIN)
