"""Texts that lead elsewhere than they seem to: what counts is where libpq would go."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import psycopg
import psycopg2
from psycopg.conninfo import make_conninfo
from tricks import SAYS, awaited, libpq, parts, tell, trick, victims


def _int(url: str, **more: Any) -> str:
    """Return INT's URL with what leads to another place in its query."""
    said = {**libpq(url), **more}
    query = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in said.items() if value is not None)
    return f"{victims()['int']}?{query}"


@contextmanager
def _environment(**variables: Any) -> Iterator[None]:
    os.environ.update({name: str(value) for name, value in variables.items()})
    try:
        yield
    finally:
        for name in variables:
            os.environ.pop(name, None)


def _way_in(url: str) -> str:
    """Return user and password, which are needed whatever the rest says."""
    said = libpq(url)
    return make_conninfo("", user=said["user"], password=said["password"])


@trick
def query_that_overrides_everything(url: str) -> str:
    return tell(psycopg.connect(_int(url)))


@trick
def query_that_overrides_the_address(url: str) -> str:
    said = libpq(url)
    return tell(psycopg.connect(_int(url, host=None, hostaddr=said["host"])))


@trick
def query_that_overrides_everything_for_psycopg2(url: str) -> str:
    return tell(psycopg2.connect(_int(url)))


@trick
def address_beside_an_innocent_host(url: str) -> str:
    said = libpq(url)
    return tell(psycopg.connect(**{**said, "host": "localhost", "hostaddr": "127.0.0.1"}))


@trick
def several_hosts(url: str) -> str:
    said = libpq(url)
    return tell(psycopg.connect(**{**said, "host": f"127.0.0.1,{said['host']}", "port": f"1,{said['port']}"}))


@trick
def several_hosts_for_psycopg2(url: str) -> str:
    said = libpq(url)
    return tell(psycopg2.connect(**{**said, "host": f"127.0.0.1,{said['host']}", "port": f"1,{said['port']}"}))


@trick
def several_hosts_for_asyncpg(url: str) -> str:
    async def connected() -> str:
        said = parts(url)
        said |= {"host": ["127.0.0.1", said["host"]], "port": [1, said["port"]]}
        connection = await asyncpg.connect(**said, ssl=False)
        name = await connection.fetchval(SAYS)
        await connection.close()
        return str(name)

    return awaited(connected())


@trick
def percent_encoded(url: str) -> str:
    base, _, name = url.rpartition("/")
    return tell(psycopg.connect(f"{base}/{''.join(f'%{ord(each):02x}' for each in name)}"))


@trick
def keys_and_values(url: str) -> str:
    said = {name: str(value).replace("\\", r"\\").replace("'", r"\'") for name, value in libpq(url).items()}
    return tell(psycopg2.connect(" ".join(f"{name} = '{value}'" for name, value in said.items())))


@trick
def full_width_digits(url: str) -> str:
    said = libpq(url)
    wide = said["host"].translate(str.maketrans("0123456789", "".join(chr(0xFF10 + each) for each in range(10))))

    async def connected() -> str:
        connection = await psycopg.AsyncConnection.connect(**{**said, "host": wide})
        row = await (await connection.execute(SAYS.encode())).fetchone()
        await connection.close()
        assert row is not None
        return str(row[0])

    return awaited(connected())


@trick
def short_address(url: str) -> str:
    return tell(psycopg.connect(**{**libpq(url), "host": "127.1"}))


@trick
def address_as_one_number(url: str) -> str:
    return tell(psycopg.connect(**{**libpq(url), "host": "2130706433"}))


@trick
def hexadecimal_address(url: str) -> str:
    return tell(psycopg2.connect(**{**libpq(url), "host": "0x7f.1"}))


@trick
def host_in_capitals(url: str) -> str:
    return tell(psycopg.connect(**{**libpq(url), "host": "LOCALHOST"}))


@trick
def folder_of_a_socket(url: str) -> str:
    return tell(psycopg.connect(**{**libpq(url), "host": victims()["socket"]}))


@trick
def folder_of_a_socket_for_asyncpg(url: str) -> str:
    async def connected() -> str:
        connection = await asyncpg.connect(**{**parts(url), "host": victims()["socket"]})
        name = await connection.fetchval(SAYS)
        await connection.close()
        return str(name)

    return awaited(connected())


@trick
def variables_that_fill_gaps(url: str) -> str:
    said = libpq(url)
    with _environment(PGHOST=said["host"], PGPORT=said["port"], PGDATABASE=said["dbname"]):
        return tell(psycopg.connect(_way_in(url)))


@trick
def variables_that_fill_gaps_for_psycopg2(url: str) -> str:
    said = libpq(url)
    with _environment(PGHOST=said["host"], PGPORT=said["port"], PGDATABASE=said["dbname"]):
        return tell(psycopg2.connect(_way_in(url)))


@trick
def variables_that_fill_gaps_for_asyncpg(url: str) -> str:
    said = libpq(url)

    async def connected() -> str:
        connection = await asyncpg.connect()
        name = await connection.fetchval(SAYS)
        await connection.close()
        return str(name)

    with _environment(
        PGHOST=said["host"], PGPORT=said["port"], PGDATABASE=said["dbname"], PGUSER=said["user"],
        PGPASSWORD=said["password"],
    ):  # fmt: skip
        return awaited(connected())


@trick
def address_by_a_variable(url: str) -> str:
    said = libpq(url)
    with _environment(PGHOSTADDR=said["host"]):
        return tell(psycopg.connect(**{**said, "host": "innocent.example.com"}))


@trick
def address_by_a_variable_that_python_does_not_see(url: str) -> str:
    """Set it for C alone. It is gone when libpq looks, so that the text counts: an address that nobody answers at."""
    said = libpq(url)
    os.putenv("PGHOSTADDR", said["host"])
    try:
        return tell(psycopg2.connect(**{**said, "host": "innocent.invalid"}))
    finally:
        os.unsetenv("PGHOSTADDR")


@contextmanager
def _service(url: str) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "services")
        path.write_text("[there]\n" + "".join(f"{name}={value}\n" for name, value in libpq(url).items()))
        yield str(path)


@trick
def service_in_the_text(url: str) -> str:
    with _service(url) as path, _environment(PGSERVICEFILE=path):
        return tell(psycopg.connect("service=there"))


@trick
def service_by_a_variable(url: str) -> str:
    with _service(url) as path, _environment(PGSERVICEFILE=path, PGSERVICE="there"):
        return tell(psycopg2.connect(""))


@trick
def password_in_a_file(url: str) -> str:
    said = libpq(url)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pass")
        path.write_text("*:*:*:*:" + said.pop("password").replace("\\", r"\\").replace(":", r"\:"))
        path.chmod(0o600)
        return tell(psycopg.connect(**said, passfile=str(path)))
