"""psycopg 3: each connection is made by a `PGconn`, of C or of ctypes, whose two connecting methods are held in place.

`psycopg.generators.connect`, which both kinds of `Connection` use, is held too: it asks for the stamp without blocking
an event loop. It promises the text that it has judged to the `PGconn` method that it calls next.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

from dbtasks.reach.door import DOOR, Errand, environment
from dbtasks.reach.ground import Why
from dbtasks.reach.inplace import is_marked, marked, replace
from dbtasks.reach.wanted import READ, Wanted, from_libpq

_TUPLES_OK = 2
_OK = 0
_promised = threading.local()
_said_before: dict[bytes, dict[str, str]] = {}


def hold_generators(module: ModuleType) -> None:
    """Hold `connect` of `psycopg.generators` and of the C module that it comes from."""
    original = module.connect
    if is_marked(original):
        return

    def connect(conninfo: str, *arguments: Any, **options: Any) -> Generator[Any, Any, Any]:
        __tracebackhide__ = True
        errand = DOOR.before(_read(conninfo.encode()))
        steps = original(conninfo, *arguments, **options)
        pgconn = yield from _first_promised(steps, conninfo.encode())
        try:
            yield from _asked(pgconn, errand)
        except BaseException:
            pgconn.finish()
            raise
        return pgconn

    vars(module)["connect"] = marked(connect)


def hold_pgconn(module: ModuleType) -> None:
    """Hold the connecting methods of `PGconn` for everybody who has the class."""
    pgconn = module.PGconn
    if is_marked(vars(pgconn)["connect"]):
        return
    before = {name: vars(pgconn)[name] for name in ("connect", "connect_start", "ping")}

    def connect(cls: type, conninfo: bytes) -> Any:
        __tracebackhide__ = True
        return _connected(cls, conninfo, before["connect"])

    def connect_start(cls: type, conninfo: bytes) -> Any:
        """Connect at once, unless it is `generators.connect` who calls: else nobody would ask for the stamp."""
        __tracebackhide__ = True
        if getattr(_promised, "text", None) == conninfo:
            return before["connect_start"].__get__(None, cls)(conninfo)
        return _connected(cls, conninfo, before["connect"])

    def ping(cls: type, conninfo: bytes) -> Any:
        __tracebackhide__ = True
        DOOR.before(_read(conninfo))
        return before["ping"].__get__(None, cls)(conninfo)

    for function in (connect, connect_start, ping):
        replace(pgconn, function.__name__, classmethod(marked(function)))


def hold_ctypes(module: ModuleType) -> None:
    """Hold the functions of libpq that psycopg's pure Python implementation calls."""
    if is_marked(module.PQconnectdb):
        return
    connectdb, start, ping = module.PQconnectdb, module.PQconnectStart, module.PQping

    def connect(conninfo: bytes) -> Any:
        __tracebackhide__ = True
        if getattr(_promised, "text", None) == conninfo:
            return connectdb(conninfo)
        # The class judges and asks, and gives its pointer away.
        held = import_module("psycopg.pq.pq_ctypes").PGconn.connect(conninfo)
        pointer, held._pgconn_ptr = held._pgconn_ptr, None
        return pointer

    def connect_start(conninfo: bytes) -> Any:
        __tracebackhide__ = True
        return start(conninfo) if getattr(_promised, "text", None) == conninfo else connect(conninfo)

    def pinged(conninfo: bytes) -> Any:
        __tracebackhide__ = True
        DOOR.before(_read(conninfo))
        return ping(conninfo)

    held = {"PQconnectdb": connect, "PQconnectStart": connect_start, "PQping": pinged}
    for name, function in held.items():
        vars(module)[name] = vars(module.pq)[name] = marked(function)


def hold_attempts(module: ModuleType) -> None:
    """Judge the parameters of an asynchronous connection before a host's name is looked up."""
    original = module.conninfo_attempts_async
    if is_marked(original):
        return

    async def conninfo_attempts_async(params: Mapping[str, Any]) -> Any:
        __tracebackhide__ = True
        hosts = str(params.get("host") or "")
        if "," not in hosts:  # else each of them is judged when its turn comes
            DOOR.before(from_libpq({name: None if v is None else str(v) for name, v in params.items()}, environment()))
        return await original(params)

    vars(module)["conninfo_attempts_async"] = marked(conninfo_attempts_async)


def _connected(cls: type, conninfo: bytes, connect: Any) -> Any:
    __tracebackhide__ = True
    errand = DOOR.before(_read(conninfo))
    with _promising(conninfo):  # to the function of libpq below, where that is held as well
        pgconn = connect.__get__(None, cls)(conninfo)
    if pgconn.status != _OK or DOOR.knows(errand, pgconn.backend_pid):
        return pgconn
    try:
        DOOR.after(errand, _answer(pgconn.exec_(DOOR.question.encode())), pgconn.backend_pid)
    except BaseException:
        pgconn.finish()
        raise
    return pgconn


def _read(conninfo: bytes) -> Wanted:
    """Return where libpq goes with this text, by its own parser."""
    __tracebackhide__ = True
    key = hashlib.sha256(conninfo).digest()  # the text may hold a password
    said = _said_before.get(key)
    if said is None:
        pq = import_module("psycopg.pq")
        try:
            options = pq.Conninfo.parse(conninfo)
        except Exception:
            DOOR.refuse(Why.UNREADABLE)
        values = {option.keyword.decode(): option.val for option in options}
        said = {name: value.decode() for name in READ if (value := values.get(name)) is not None}
        _said_before[key] = said
    return from_libpq(said, environment())


def _first_promised(steps: Generator[Any, Any, Any], conninfo: bytes) -> Generator[Any, Any, Any]:
    """Run psycopg's own steps, the first of which starts the connection."""
    try:
        with _promising(conninfo):
            wait = next(steps)
        while True:
            wait = steps.send((yield wait))
    except StopIteration as done:
        return done.value


@contextmanager
def _promising(conninfo: bytes) -> Iterator[None]:
    before = getattr(_promised, "text", None)
    _promised.text = conninfo
    try:
        yield
    finally:
        _promised.text = before


def _asked(pgconn: Any, errand: Errand) -> Generator[Any, Any, None]:
    """Ask a new session for its stamp as psycopg's own generators do, waiting by yielding."""
    __tracebackhide__ = True
    if DOOR.knows(errand, pgconn.backend_pid):
        return
    wait = import_module("psycopg.waiting").Wait
    pgconn.send_query(DOOR.question.encode())
    while pgconn.flush():
        yield pgconn.socket, wait.W
    answer = None
    while True:
        while pgconn.is_busy():
            if (yield pgconn.socket, wait.R):
                pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:
            break
        answer = _answer(result)
    DOOR.after(errand, answer, pgconn.backend_pid)


def _answer(result: Any) -> bytes | None:
    if result.status != _TUPLES_OK or result.ntuples != 1:
        return None
    answer: bytes | None = result.get_value(0, 0)
    return answer
