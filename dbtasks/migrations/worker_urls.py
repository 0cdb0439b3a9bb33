"""One place in the words of each: a URL's parameters for libpq, and a URL for SQLAlchemy.

Part of the worker: standard library only.
"""

from __future__ import annotations

from urllib.parse import quote, unquote, urlencode


def libpq(url: str) -> dict[str, str]:
    """Return a postgresql:// URL's parameters as libpq names them.

    >>> libpq("postgresql://anna:p%40s@db-7:5433/app?sslmode=require")["password"]
    'p@s'
    """
    rest, _, query = url.partition("://")[2].partition("?")
    authority, _, database = rest.partition("/")
    login, _, place = authority.rpartition("@")
    user, _, password = login.partition(":")
    bracketed = place.startswith("[")
    host, _, port = place[1:].partition("]") if bracketed else place.partition(":")
    found = {"user": user, "password": password, "host": host, "port": port.lstrip(":"), "dbname": database}
    parameters = {key: unquote(value) for key, value in found.items() if value}
    # Not parse_qsl: to libpq a plus sign is a plus sign.
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    return parameters | {unquote(name): unquote(value) for name, _, value in pairs}


def sqlalchemy_url(url: str, driver: str) -> str:
    """Return the same place for SQLAlchemy, which knows a socket's folder only as a query parameter.

    >>> sqlalchemy_url("postgresql://anna:p%40s%25@%2Ftmp:5433/app?sslmode=require", "asyncpg")
    'postgresql+asyncpg://anna:p%40s%25@/app?host=%2Ftmp&port=5433&ssl=require'
    """
    # Composed here: SQLAlchemy 1.4 writes a password with % in it so that it reads another one back.
    known = libpq(url)
    login = ":".join(quote(known.pop(name), safe="") for name in ("user", "password") if name in known)
    database = known.pop("dbname", "")
    place = ""
    if not known.get("host", "/").startswith("/"):
        host, port = known.pop("host"), known.pop("port", "")
        place = (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
    if driver == "asyncpg" and "sslmode" in known:
        known["ssl"] = known.pop("sslmode")
    query = f"?{urlencode(known, quote_via=quote)}" if known else ""
    return f"postgresql+{driver}://{f'{login}@' if login else ''}{place}/{database}{query}"
