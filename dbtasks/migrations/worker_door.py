"""The worker's door: every connection is compared with the cleared target before it opens, and asked who it is after.

SQLAlchemy's own hook sees only connections made by SQLAlchemy, so the drivers' connecting functions are wrapped too,
as soon as the project imports them. Part of the worker: standard library only.
"""

from __future__ import annotations

import getpass
import importlib
import importlib.abc
import importlib.machinery
import os
import socket
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from types import ModuleType
from typing import Any, NoReturn

# What libpq takes from the environment where a parameter is missing. The parent has removed them; env.py may set them.
_VARIABLES = {"host": "PGHOST", "hostaddr": "PGHOSTADDR", "port": "PGPORT", "user": "PGUSER", "dbname": "PGDATABASE"}


class Door:
    """Lets connections to one target through and ends the process at any other.

    `stop` does not return: an env.py that catches every exception must not get a second try. `opened` is told the
    server's process id of each connection. While `locking` is off
    a connection proves its identity only; afterwards it also takes the shared lock.
    """

    def __init__(
        self,
        target: Mapping[str, Any],
        sql: Mapping[str, str],
        stop: Callable[[str, str], NoReturn],
        opened: Callable[[int], None],
    ) -> None:
        self.target, self.sql, self.stop, self.opened = target, sql, stop, opened
        self.locking = False
        self.hooked: set[str] = set()

    @property
    def welcome(self) -> str:
        """The statement that a new connection answers first: its identity and whether it has the lock, as one text."""
        return self.sql["welcome" if self.locking else "identify"]

    def check(self, wanted: Mapping[str, Any]) -> None:
        """Return if libpq's parameters, filled up as libpq would, mean the target; stop otherwise."""
        full = {key: wanted.get(key) or os.environ.get(variable) for key, variable in _VARIABLES.items()}
        service = wanted.get("service") or os.environ.get("PGSERVICE")
        if service:
            self.refuse(f"the service {service!r} of a connection service file")
        host, port, user = str(full["host"] or ""), str(full["port"] or 5432), str(full["user"] or getpass.getuser())
        database = str(full["dbname"] or user)
        seen = (_place(host), port, database, user)
        target = self.target
        if seen != (_place(target["host"]), str(target["port"]), target["database"], target["user"]):
            self.refuse(f"{host or 'the default socket'}:{port}/{database} as {user}")
        if full["hostaddr"] and full["hostaddr"] not in _addresses(target["host"], int(port)):
            self.refuse(f"{full['hostaddr']}:{port}/{database} as {user}")

    def verify(self, answer: object) -> None:
        """Return if a connection's answer to `welcome` is the target's; stop otherwise."""
        server, oid, pid, lock = (str(answer).split() + [""] * 4)[:4]
        if (server, oid) != (str(self.target["system_identifier"]), str(self.target["oid"])):
            self.stop("target", "a connection of env.py stands on another database than the cleared one")
        self.opened(int(pid))
        if lock != "true":
            self.stop("lock", "another worker holds this database's lock, although ours had it")

    def refuse(self, place: str) -> NoReturn:
        self.stop("target", f"env.py tried to connect to {place}")

    def watch_drivers(self) -> None:
        """Wrap each driver's connecting function, now or when it is imported."""
        for name, hook in _HOOKS.items():
            if name in sys.modules:
                hook(sys.modules[name], self)
        sys.meta_path.insert(0, _Finder(self))

    def watch_sqlalchemy(self) -> None:
        """See every connection that SQLAlchemy makes, whatever its dialect and driver."""
        event = importlib.import_module("sqlalchemy.event")
        engine = importlib.import_module("sqlalchemy.engine").Engine
        # Engine is a class here, so that engines that env.py makes later are seen as well.
        event.listen(engine, "do_connect", self._before)
        event.listen(engine, "connect", self._after)

    def _before(self, dialect: Any, _record: object, arguments: Sequence[Any], parameters: Mapping[str, Any]) -> None:
        if dialect.name != "postgresql":
            self.refuse(f"a {dialect.name} database: {parameters.get('database') or ' '.join(map(str, arguments))}")
        if dialect.driver in self.hooked and any(arguments):
            return  # a connection string: the driver's own parser reads it, in the wrapped function
        if any(arguments):
            self.refuse(f"a place that the driver {dialect.driver} gets as one text")
        wanted = dict(parameters)
        wanted["dbname"] = wanted.get("dbname") or wanted.get("database")
        self.check(wanted)

    def _after(self, connection: Any, record: Any) -> None:
        if type(record.driver_connection).__module__.partition(".")[0] in self.hooked:
            return
        cursor = connection.cursor()
        cursor.execute(self.welcome)
        self.verify(cursor.fetchone()[0])
        cursor.close()
        connection.commit()


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the drivers as all the others would, and sees to it that they are wrapped once loaded."""

    def __init__(self, door: Door) -> None:
        self.door = door

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in _HOOKS:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(fullname, path, target)
            if spec is not None and spec.loader is not None:
                spec.loader = _Loader(spec.loader, self.door)
                return spec
        return None


class _Loader(importlib.abc.Loader):
    def __init__(self, inner: importlib.abc.Loader, door: Door) -> None:
        self.inner, self.door = inner, door

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self.inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self.inner.exec_module(module)
        _HOOKS[module.__name__](module, self.door)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def _hook_psycopg(_module: ModuleType, door: Door) -> None:
    # Connection.connect may be bound, copied and overridden anywhere; all of them end here.
    generators = importlib.import_module("psycopg.generators")
    parse = importlib.import_module("psycopg.conninfo").conninfo_to_dict
    original = generators.connect

    def connect(conninfo: str, *arguments: Any, **options: Any) -> Generator[Any, Any, Any]:
        door.check(parse(conninfo))
        pgconn = yield from original(conninfo, *arguments, **options)
        answer = pgconn.exec_(door.welcome.encode()).get_value(0, 0)
        door.verify(answer.decode() if answer else answer)
        return pgconn

    vars(generators)["connect"] = connect
    door.hooked.add("psycopg")


def _hook_psycopg2(module: ModuleType, door: Door) -> None:
    extensions = importlib.import_module("psycopg2.extensions")
    original = vars(module)["_connect"]

    def connect(dsn: str, *arguments: Any, **options: Any) -> Any:
        door.check(extensions.parse_dsn(dsn))
        connection = original(dsn, *arguments, **options)
        if not connection.async_:
            cursor = extensions.cursor(connection)
            cursor.execute(door.welcome)
            door.verify(cursor.fetchone()[0])
            cursor.close()
            connection.commit()
        return connection

    vars(module)["_connect"] = connect
    door.hooked.add("psycopg2")


def _hook_asyncpg(_module: ModuleType, door: Door) -> None:
    utils = importlib.import_module("asyncpg.connect_utils")
    original = vars(utils)["_connect_addr"]

    async def connect(*, addr: Any, params: Any, **options: Any) -> Any:
        if isinstance(addr, str):  # the socket file, of which libpq names the folder
            host, port = os.path.dirname(addr), addr.rpartition(".")[2]  # noqa: PTH120 - text in, text out
        else:
            host, port = addr
        door.check({"host": host, "port": port, "dbname": params.database, "user": params.user})
        connection = await original(addr=addr, params=params, **options)
        door.verify(await connection.fetchval(door.welcome))
        return connection

    vars(utils)["_connect_addr"] = connect
    door.hooked.add("asyncpg")


_HOOKS: dict[str, Callable[[ModuleType, Door], None]] = {
    "psycopg": _hook_psycopg,
    "psycopg2": _hook_psycopg2,
    "asyncpg": _hook_asyncpg,
}


def _place(host: str) -> str:
    return host.rstrip("/") if host.startswith("/") else host.rstrip(".").lower()


def _addresses(host: str, port: int) -> set[str]:
    """Return the addresses that a host may be reached at; none for a socket's folder."""
    if not host or host.startswith("/"):
        return set()
    return {str(answer[4][0]) for answer in socket.getaddrinfo(host, port, proto=socket.IPPROTO_TCP)}
