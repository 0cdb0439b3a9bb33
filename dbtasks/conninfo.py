"""Connection strings: parsed once, at the edge, into values that cannot print their password.

`parse` takes the URLs and key=value strings of libpq and refuses what libpq would quietly follow elsewhere: several
hosts, query parameters that override what the URL shows, `hostaddr`, service files. No `PG*` variable fills a gap.
"""

from __future__ import annotations

import dataclasses
import hmac
from collections.abc import Callable
from typing import NoReturn, Self
from urllib.parse import quote

from dbtasks.conninfo_text import UnusableError, check_database, check_host, fields, is_secret, port_number
from dbtasks.errors import ConninfoError
from dbtasks.masking import HIDDEN, keep_readable, learn, mask, mask_exception, remember
from dbtasks.values import dataclass

__all__ = ["Conninfo", "Permit", "Secret", "mask", "mask_exception", "parse", "remember"]


class Permit:
    """What may reveal a secret. Only its subclasses can be made: a clearance, or the read-only inspection."""

    __slots__ = ()

    def __new__(cls, *_: object, **__: object) -> Self:
        if cls is Permit:
            raise TypeError("a Permit is not made but earned: pass a clearance or an inspection")
        return super().__new__(cls)

    @property
    def entry(self) -> int | None:
        """The trail's number of what is done with it, where that is recorded."""
        return None

    @property
    def application_name(self) -> str:
        """What a server's log and its sessions call a connection that is made with it."""
        return f"dbtasks/{self.entry}" if self.entry else "dbtasks"


class Secret:
    """A text that does not show itself: not printed, formatted, pickled, copied out or serialised.

    It makes itself known to `mask`, so that it is hidden in other people's texts too.

    >>> f"{Secret('hunter2!')} {Secret('hunter2!')!r:>5}"
    '***   ***'
    """

    __slots__ = ("_read",)

    def __init__(self, text: str) -> None:
        remember(text)
        # A function holds the text, because debuggers and serialisers walk through attributes.
        self._read: Callable[[], str] = lambda: text

    def reveal(self, permit: Permit) -> str:
        """Return the text; TypeError unless a real permit asks."""
        _require(permit)
        return self._read()

    def __repr__(self) -> str:
        return HIDDEN

    def __format__(self, spec: str) -> str:
        return format(HIDDEN, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        mine, theirs = (secret._read().encode("utf-8", "surrogatepass") for secret in (self, other))
        return hmac.compare_digest(mine, theirs)

    def __hash__(self) -> int:
        return hash((Secret, self._read()))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret cannot be pickled")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a Secret does not give its state away")


def _require(permit: object) -> None:
    if not isinstance(permit, Permit):
        raise TypeError(f"a secret is revealed to a Permit only, not to {type(permit).__name__}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conninfo:
    """One parsed connection string. `host` may be a socket directory; options that hold secrets are `Secret`.

    `role` is what its sessions change into as they begin, in this database alone; whoever logs in stays who it is.
    """

    host: str
    port: int
    database: str
    user: str | None = None
    password: Secret | None = None
    options: tuple[tuple[str, str | Secret], ...] = ()
    role: str = ""

    @property
    def masked(self) -> str:
        """The URL as people may see it.

        >>> Conninfo(host="db-7", port=5432, database="app", user="anna", password=Secret("hunter2!")).masked
        'postgresql://anna:***@db-7:5432/app'
        """
        return self._compose(str)

    @property
    def place(self) -> str:
        """Where the server is: `db-7.example.com:5432`, `[::1]:5432`, or the directory of its socket."""
        return self.host if self._is_socket else f"{self._bracketed}:{self.port}"

    def with_database(self, name: str) -> Conninfo:
        """Return the same connection to another database, as whoever logs in; ConninfoError if none can be named so."""
        try:
            check_database(name)
        except UnusableError as unusable:
            raise ConninfoError(f"the database cannot be named {name!r}: {unusable}") from None
        keep_readable(name)
        return dataclasses.replace(self, database=name, role=self.role if name == self.database else "")

    def as_role(self, role: str) -> Conninfo:
        """Return the same connection whose sessions begin as a role of the database."""
        return dataclasses.replace(self, role=role)

    def as_login(self) -> Conninfo:
        """Return the same connection as whoever logs in."""
        return dataclasses.replace(self, role="")

    @property
    def every_option(self) -> tuple[tuple[str, str | Secret], ...]:
        """The options, with the role among them."""
        if not self.role:
            return self.options
        given = dict(self.options).get("options")
        words = f"{given} -c role={self.role}" if isinstance(given, str) else f"-c role={self.role}"
        others = (option for option in self.options if option[0] != "options")
        return (*others, ("options", words))

    def with_password(self, password: str) -> Conninfo:
        """Return the same connection with a password that was found elsewhere."""
        return dataclasses.replace(self, password=Secret(password))

    def read_only(self) -> Conninfo:
        """Return the same connection whose sessions only read by default; a session can still say otherwise."""
        others = tuple(option for option in self.options if option[0] != "options")
        return dataclasses.replace(self, options=(*others, ("options", "-c default_transaction_read_only=on")))

    def url(self, permit: Permit) -> str:
        """Return the complete URL with its password, percent-encoded so that libpq and SQLAlchemy read it alike."""
        _require(permit)
        return self._compose(lambda secret: _quoted(secret.reveal(permit)))

    def parameters(self, permit: Permit) -> dict[str, str | int]:
        """Return the keywords for `psycopg.connect`, so that nobody has to parse a URL again."""
        _require(permit)
        parameters: dict[str, str | int] = {"host": self.host, "port": self.port, "dbname": self.database}
        if self.user is not None:
            parameters["user"] = self.user
        if self.password is not None:
            parameters["password"] = self.password.reveal(permit)
        for name, value in self.every_option:
            parameters[name] = value.reveal(permit) if isinstance(value, Secret) else value
        return parameters

    def _compose(self, show: Callable[[Secret], str]) -> str:
        user = _quoted(self.user or "")
        userinfo = f"{user}:{show(self.password)}@" if self.password is not None else f"{user}@" if user else ""
        options = [
            (name, show(value) if isinstance(value, Secret) else _legible(value)) for name, value in self.every_option
        ]
        if self._is_socket:  # as parameters, because SQLAlchemy does not decode the host of a URL
            address = ""
            options = [("host", _legible(self.host)), ("port", str(self.port)), *options]
        else:
            address = f"{self._bracketed}:{self.port}"
        query = "&".join(f"{name}={value}" for name, value in options)
        return f"postgresql://{userinfo}{address}/{_quoted(self.database)}" + (f"?{query}" if query else "")

    @property
    def _is_socket(self) -> bool:
        return self.host.startswith("/")

    @property
    def _bracketed(self) -> str:
        return f"[{quote(self.host, safe=':')}]" if ":" in self.host else self.host


def _quoted(text: str) -> str:
    return quote(text, safe="")


def _legible(text: str) -> str:
    return quote(text, safe="/")  # only behind the question mark, where a slash ends nothing


def parse(text: str, *, variable: str) -> Conninfo:
    """Return what a connection string says; ConninfoError names the variable and never quotes from the string.

    >>> parse("postgres://anna:p%40ss@db-7/app?sslmode=require", variable="stg_database_url").masked
    'postgresql://anna:***@db-7:5432/app?sslmode=require'
    """
    keep_readable(variable)
    try:
        conninfo = _assemble(fields(text))
    except UnusableError as unusable:
        problem = str(unusable)
        learn(text)
    else:
        for name in filter(None, (conninfo.host, conninfo.database, conninfo.user)):
            keep_readable(name)
        return conninfo
    del text  # raised from here, without a context, so that no traceback with local variables shows it
    raise ConninfoError(f"{variable} cannot be used: {problem}")


def _assemble(said: dict[str, str]) -> Conninfo:
    # Secrets first: whatever is refused below, they are known to `mask` by then.
    secrets = {name: Secret(said.pop(name)) for name in sorted(said) if is_secret(name) and said[name]}
    host = check_host(said.pop("host", ""))
    port = port_number(said.pop("port", "5432"))
    database = check_database(said.pop("dbname", ""))
    user = said.pop("user", "") or None
    said.pop("password", None)
    password = secrets.pop("password", None)
    options: dict[str, str | Secret] = {**said, **secrets}
    return Conninfo(
        host=host, port=port, database=database, user=user, password=password, options=tuple(sorted(options.items()))
    )
