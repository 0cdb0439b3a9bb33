"""Where a driver is about to connect, read as libpq would read it. Pure: nothing here connects or decides."""

from __future__ import annotations

from collections.abc import Mapping

from dbtasks.values import dataclass

# What libpq takes from the environment where a parameter is missing.
VARIABLES = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "dbname": "PGDATABASE",
    "user": "PGUSER",
    "service": "PGSERVICE",
}
READ = (*VARIABLES, "replication")  # the parameters that say where a session goes, and of what kind it is
_PORT = "5432"
_NO_REPLICATION = frozenset({"", "0", "false", "off", "no"})
_SQL_REPLICATION = "database"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One server and database. `host` is what the packets go to: a name, an address, or a socket's folder.

    `blind` says that the session would not be one of SQL (physical replication), so that no stamp can be asked for;
    `service` that the place stands in another file.
    """

    host: str
    port: str
    database: str
    service: bool = False
    blind: bool = False

    @property
    def several(self) -> bool:
        return "," in self.host or "," in self.port

    @property
    def place(self) -> str:
        return place(self.host, self.port)


def place(host: str, port: int | str) -> str:
    """Return one spelling for a server, so that two texts can be compared.

    >>> place("DB-7.example.com.", "05432"), place("::1", 5432), place("/run/postgresql/", 5433)
    ('db-7.example.com:5432', '[::1]:5432', '/run/postgresql:5433')
    """
    host, port = host.rstrip("/") if host.startswith("/") else host.lower().rstrip("."), str(port)
    port = str(int(port)) if port.isascii() and port.isdecimal() else port
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def from_libpq(said: Mapping[str, str | None], environ: Mapping[str, str]) -> Wanted:
    """Return where libpq goes with these parameters, `None` being one that is missing.

    >>> from_libpq({"host": "db-7", "dbname": "app"}, {"PGHOSTADDR": "10.0.0.9", "PGPORT": "6543"}).place
    '10.0.0.9:6543'
    >>> from_libpq({"user": "anna", "dbname": ""}, {}).database
    'anna'
    """
    full = {name: _first(said.get(name), environ.get(variable)) for name, variable in VARIABLES.items()}
    return Wanted(
        host=full["hostaddr"] or full["host"],
        port=full["port"] or _PORT,
        database=full["dbname"] or full["user"],
        service=bool(full["service"]),
        blind=is_blind(said.get("replication")),
    )


def from_address(host: object, port: object, database: object, *, replication: object = None) -> Wanted:
    """Return where a driver goes that speaks the protocol itself and has worked out the address.

    >>> from_address("127.0.0.1", 5432, b"app").database
    'app'
    """
    return Wanted(
        host=_text(host), port=_text(port) or _PORT, database=_text(database), blind=is_blind(_text(replication))
    )


def from_socket(path: object, database: object, *, replication: object = None) -> Wanted:
    """Return the same for a unix socket's file, of which libpq names the folder.

    >>> from_socket("/run/postgresql/.s.PGSQL.5433", "app").place
    '/run/postgresql:5433'
    """
    folder, _, name = _text(path).rpartition("/")
    _, _, port = name.rpartition(".")
    return from_address(folder, port, database, replication=replication)


def is_blind(replication: str | None) -> bool:
    """Return whether a session with this parameter is one of physical replication, which runs no SQL."""
    said = (replication or "").strip().lower()
    return said not in _NO_REPLICATION and said != _SQL_REPLICATION


def _first(said: str | None, default: str | None) -> str:
    return (default or "") if said is None else said


def _text(value: object) -> str:
    if isinstance(value, (bytes, bytearray)):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value)
