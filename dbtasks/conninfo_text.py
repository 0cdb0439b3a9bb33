"""The two notations of a PostgreSQL connection string, read into named fields.

Stricter than libpq on purpose: whatever it would resolve by falling through, overriding or guessing is refused here.
The sentences of `UnusableError` never quote a value, for any value may hold a piece of a password.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote

from dbtasks.masking import remember


class UnusableError(Exception):
    """What is wrong with a connection string and what to do, without a word of its values."""


_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://")
_OURS = re.compile(r"postgres(?:ql)?(?:\+[a-z0-9_]+)?://")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_ENCODE = "Percent-encode the special characters of the password: % as %25, @ as %40, : as %3A, / as %2F, ? as %3F"
_REFUSED = {
    "hostaddr": "it leads the connection away from the host that is shown. Leave it out and name the host",
    "service": "the target would stand in another file. Write the target itself",
    "servicefile": "the target would stand in another file. Write the target itself",
    "passfile": "the password would stand in another file. Write the password itself",
}


def fields(text: str) -> dict[str, str]:
    """Return the decoded fields of a URL or a key=value string, by libpq's names; UnusableError otherwise.

    >>> fields("postgresql+psycopg://anna:p%40ss@[::1]:6543/app")
    {'user': 'anna', 'password': 'p@ss', 'host': '::1', 'port': '6543', 'dbname': 'app'}
    >>> fields(r"host=/run/pg dbname = 'my app' password=it\\'s")
    {'host': '/run/pg', 'dbname': 'my app', 'password': "it's"}
    """
    if not text.strip():
        raise UnusableError(
            "it is empty. Set it to a URL such as postgresql://USER@HOST:5432/NAME, with a password if needed"
        )
    _refuse_control(text)
    if _URL.match(text):
        said = _collected(_url(text))
    elif "=" in text:
        said = _collected(_pairs(text))
    else:
        raise UnusableError("it is neither a URL that begins with postgresql:// nor a string of key=value pairs")
    for name, value in said.items():
        _refuse_control(value)
        if not is_secret(name) and not value.isprintable():
            raise UnusableError(f"{name} holds an invisible character. Write it again by hand")
    return said


def is_secret(name: str) -> bool:
    """Return whether the value of a libpq parameter must never be shown.

    >>> [name for name in ("password", "sslpassword", "scram_client_key", "sslkey", "sslmode") if is_secret(name)]
    ['password', 'sslpassword', 'scram_client_key']
    """
    return bool(re.search(r"passw|passphrase|pwd|secret|token|scram_\w+_key", name))


_HOST = re.compile(r"[A-Za-z0-9._\-]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%[A-Za-z0-9._\-]+)?|/.*")


def check_host(host: str) -> str:
    """Return the host; UnusableError if it is missing, several, or nothing that a host can be."""
    if not host:
        raise UnusableError("it names no host. Name the host, or the directory of a socket as host=/directory")
    if "," in host:
        raise UnusableError("it names several hosts, and which one answers would be chance. Name one host")
    if not _HOST.fullmatch(host):
        raise UnusableError(f"its host is no host name, address or directory. {_ENCODE}; write other scripts as xn--")
    return host


def port_number(port: str) -> int:
    """Return the port as a number, 1 to 65535."""
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        raise UnusableError(f"its port is no whole number from 1 to 65535. Write one port in plain digits. {_ENCODE}")
    return int(port)


def check_database(name: str) -> str:
    """Return the database's name; UnusableError if it is missing or would be read as a connection string."""
    if not name:
        raise UnusableError("it names no database. Add it: postgresql://USER@HOST:5432/NAME, or dbname=NAME")
    if "=" in name or "://" in name:
        raise UnusableError(
            "its database's name holds = or ://, which PostgreSQL's programs read as another target. Rename it"
        )
    if not name.isprintable():
        raise UnusableError("its database's name holds an invisible character. Write it again by hand")
    return name


def _collected(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    said: dict[str, str] = {}
    for name, value in pairs:
        if not _NAME.fullmatch(name):
            raise UnusableError(
                "it holds a parameter whose name is not made of lower-case letters. Write it as libpq does"
            )
        if name in _REFUSED:
            raise UnusableError(f"it sets {name}: {_REFUSED[name]}")
        if name in said:
            raise UnusableError(f"it says {name} twice, and the second would silently win. Keep one of them")
        said[name] = value
    return said


def _url(text: str) -> Iterable[tuple[str, str]]:
    if not _OURS.match(text):
        raise UnusableError("its scheme is unknown. Begin with postgresql:// or postgres://")
    if " " in text:
        raise UnusableError("its URL holds a blank. Write blanks as %20")
    shown, _, query = text.partition("://")[2].partition("?")
    authority, _, path = shown.partition("/")
    userinfo, _, address = authority.rpartition("@")
    if re.search(r"[@/#]", path) or re.search(r"^[^=&]*@", query):
        raise UnusableError(f"a special character of its password or database cuts the URL in two. {_ENCODE}")
    user, _, password = userinfo.partition(":")
    host, port = _address(address)
    visible = {"user": user, "password": password, "host": host, "dbname": path}
    for name, value in visible.items():
        if value:
            yield name, _decoded(value)
            if name == "host" and port is not None:
                yield "port", port
    for pair in filter(None, query.split("&")):
        name, equals, value = pair.partition("=")
        if not equals:
            raise UnusableError(f"a query parameter has no value. Write name=value. {_ENCODE}")
        if (name, value) == ("ssl", "true"):  # JDBC's spelling, which libpq understands in URLs
            name, value = "sslmode", "require"
        yield _decoded(name), _decoded(value)


_BRACKETED = re.compile(r"\[([0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%25[A-Za-z0-9._\-]+)?)\](?::(.*))?")


def _address(address: str) -> tuple[str, str | None]:
    if address.startswith("["):
        found = _BRACKETED.fullmatch(address)
        if found is None:
            raise UnusableError("its address in brackets is no IPv6 address. Write [ADDRESS]:PORT")
        return found[1], found[2]
    if "," in address:
        return check_host(address), None
    host, colon, port = address.partition(":")
    if colon and not host:
        raise UnusableError("it names a port and no host. Name the host before the colon")
    if colon:
        port_number(port)
    return host, port if colon else None


def _decoded(text: str) -> str:
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise UnusableError(f"it holds a % that begins no percent-encoded character. {_ENCODE}")
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        problem = "it percent-encodes bytes that are not UTF-8. Encode the UTF-8 form of each character"
    raise UnusableError(problem)


_SPACE = re.compile(r" *")
_KEY = re.compile(r"([^= ]+) *= *")
_PLAIN = re.compile(r"(?:[^\\ ]|\\.)*")
_QUOTED = re.compile(r"'((?:[^\\']|\\.)*)'(?= |\Z)")


def _pairs(text: str) -> Iterable[tuple[str, str]]:
    position, end = 0, len(text.rstrip(" "))
    password_seen = False
    while (position := _end(_SPACE, text, position)) < end:
        key = _KEY.match(text, position)
        if key is None:
            if password_seen:  # most likely its second word
                remember(text[position:].split(" ")[0])
            raise UnusableError("a value holds a blank. Put it in single quotes: key='a value'")
        quoted = text.startswith("'", key.end())
        value = (_QUOTED if quoted else _PLAIN).match(text, key.end())
        position = value.end() if value else end
        password_seen |= is_secret(key[1].lower())
        if value is None:
            raise UnusableError("a quoted value has no end. Close it with ', and write a ' inside it as \\'")
        yield key[1], re.sub(r"\\(.)", r"\1", value[1] if quoted else value[0])


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    found = pattern.match(text, position)
    return found.end() if found else position


def _refuse_control(text: str) -> None:
    if re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", text):
        raise UnusableError("it holds a control character, perhaps a line's end. Remove it")
