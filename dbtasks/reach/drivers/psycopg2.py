"""psycopg2: every session is an instance of one type of C, whose creation is held in place.

Of the ways to create one, `psycopg2.connect` and a subclass's `__init__` end in functions of Python that can ask the
new session itself. Where C alone creates it (the bare type, `_connect` in an old reference, asynchronous sessions), the
same text is tried with a session of our own before.
"""

from __future__ import annotations

import threading
from importlib import import_module
from types import ModuleType
from typing import Any

from dbtasks.reach.door import DOOR, Errand, environment
from dbtasks.reach.ground import Why
from dbtasks.reach.inplace import is_marked, marked, replace, replace_for_python
from dbtasks.reach.wanted import Wanted, from_libpq

_promised = threading.local()


class _Held:
    """What the wrapped functions share: the C module as it was."""

    def __init__(self, module: ModuleType) -> None:
        self.connection = module.connection
        self.replication = module.ReplicationConnection
        self.physical = module.REPLICATION_PHYSICAL
        self.cursor = module.cursor
        self.error = module.Error
        self.parse = module.parse_dsn
        self.connect = module._connect

    @property
    def held_inits(self) -> tuple[Any, Any]:
        return vars(self.connection)["__init__"], vars(self.replication)["__init__"]

    def errand(self, dsn: Any, *, blind: bool = False) -> Errand:
        __tracebackhide__ = True
        try:
            said = self.parse(dsn)
        except Exception:
            DOOR.refuse(Why.UNREADABLE)
        wanted = from_libpq(said, environment())
        if blind:
            wanted = Wanted(host=wanted.host, port=wanted.port, database=wanted.database, blind=True)
        return DOOR.before(wanted)

    def ask(self, session: Any, errand: Errand) -> None:
        """Ask a session for its stamp; it is closed where that is not ours."""
        __tracebackhide__ = True
        pid = session.info.backend_pid
        if DOOR.knows(errand, pid):
            return
        try:
            DOOR.after(errand, self.answer(session), pid)
        except BaseException:
            session.close()
            raise

    def answer(self, session: Any) -> str | None:
        before = session.autocommit
        session.autocommit = True
        try:
            with self.cursor(session) as cursor:
                cursor.execute(DOOR.question)
                row = cursor.fetchone()
        except self.error:
            return None
        finally:
            session.autocommit = before
        return str(row[0]) if row else None

    def open(self, dsn: Any, *arguments: Any, **options: Any) -> Any:
        """Connect with C's own function, which creates the session whose text was just judged."""
        _promised.dsn = dsn
        try:
            return self.connect(dsn, *arguments, **options)
        finally:
            _promised.dsn = None

    def try_before(self, errand: Errand, dsn: Any) -> None:
        """Ask a session of our own that the same text leads to."""
        __tracebackhide__ = True
        if not errand.ours:
            session = self.open(dsn)
            self.ask(session, errand)
            session.close()


def hold_module(module: ModuleType) -> None:
    """Hold the types and the connecting function of the C module."""
    if is_marked(module._connect):
        return
    held = _Held(module)
    replace_for_python(held.connection, "__init__", marked(_init(held, held.held_inits[0])))
    replace_for_python(held.replication, "__init__", marked(_replication_init(held, held.held_inits[1])))
    replace(held.connection, "__new__", staticmethod(marked(_new(held))))
    vars(module)["_connect"] = marked(_connect(held))


def hold_package(module: ModuleType) -> None:
    """Hold the name under which `psycopg2.connect` knows the connecting function."""
    vars(module)["_connect"] = import_module("psycopg2._psycopg")._connect


def _connect(held: _Held) -> Any:
    def connect(dsn: Any, connection_factory: Any = None, **options: Any) -> Any:
        __tracebackhide__ = True
        errand = held.errand(dsn)
        plain = connection_factory is None or getattr(connection_factory, "__init__", None) is held.held_inits[0]
        if not plain or any(options.values()):  # it is judged again, and asked, where the session is created
            return held.connect(dsn, connection_factory=connection_factory, **options)
        session = held.open(dsn, connection_factory=connection_factory, **options)
        held.ask(session, errand)
        return session

    return connect


def _new(held: _Held) -> Any:
    def new(cls: type, *arguments: Any, **options: Any) -> Any:
        __tracebackhide__ = True
        dsn = arguments[0] if arguments else options.get("dsn")
        promised, _promised.dsn = getattr(_promised, "dsn", None), None
        if getattr(cls, "__init__", None) in held.held_inits and dsn != promised:
            physical = issubclass(cls, held.replication) and _kind(held, arguments, options) == held.physical
            held.try_before(held.errand(dsn, blind=physical), dsn)
        return object.__new__(cls)  # as the type of C does: it only allocates

    return new


def _init(held: _Held, original: Any) -> Any:
    """Wrap what a subclass's own `__init__` calls, and whoever connects an old session to another place."""

    def begin(self: Any, dsn: Any, *arguments: Any, **options: Any) -> None:
        __tracebackhide__ = True
        errand = held.errand(dsn)
        waits = any((*arguments, *options.values()))  # for its user to poll it
        if waits:
            held.try_before(errand, dsn)
        original(self, dsn, *arguments, **options)
        if not waits:
            held.ask(self, errand)

    return begin


def _replication_init(held: _Held, original: Any) -> Any:
    def begin(self: Any, dsn: Any, *arguments: Any, **options: Any) -> None:
        __tracebackhide__ = True
        physical = _kind(held, (dsn, *arguments), options) == held.physical
        held.try_before(held.errand(dsn, blind=physical), dsn)
        original(self, dsn, *arguments, **options)

    return begin


def _kind(held: _Held, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Return which replication a call asks for, its arguments being dsn, async, replication_type."""
    return options.get("replication_type", arguments[2] if len(arguments) > 2 else held.physical)
