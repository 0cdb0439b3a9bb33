"""Ways to reach a database, as careless, clever and hostile code has them. Copied into a sandbox, where all are tried.

A trick gets a URL and returns the name of the database that it reached, having said `SAYS` there. Outside of tests each
of them does.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

HERE = Path(__file__).parent
SAYS = "SELECT pg_catalog.current_database()::text || '' /* reached by a trick */"
Trick = Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One trick. `alone`: it spoils its process for others, so that it gets one of its own."""

    name: str
    run: Trick
    alone: bool = False
    module: str = ""

    @property
    def starts_processes(self) -> bool:
        return self.alone or self.module == "tricks_processes"


WAYS: dict[str, Way] = {}


def trick(function: Trick) -> Trick:
    WAYS[function.__name__] = Way(name=function.__name__, run=function, module=function.__module__)
    return function


def trick_alone(function: Trick) -> Trick:
    WAYS[function.__name__] = Way(name=function.__name__, run=function, alone=True, module=function.__module__)
    return function


def all_ways() -> dict[str, Way]:
    """Return every trick of the modules beside this one."""
    for path in sorted(HERE.glob("tricks_*.py")):
        __import__(path.stem)
    return WAYS


def victims() -> dict[str, str]:
    """Return the URLs, written out in a file as in careless code; `int` is the one that may be reached."""
    found: dict[str, str] = json.loads((HERE / "victims.json").read_text())
    return found


def parts(url: str) -> dict[str, Any]:
    """Return the keywords that psycopg, psycopg2, asyncpg and pg8000 have in common."""
    said = urlsplit(url)
    assert said.port is not None
    return {
        "host": said.hostname or "",
        "port": said.port,
        "user": unquote(said.username or ""),
        "password": unquote(said.password or ""),
        "database": unquote(said.path[1:]),
    }


def libpq(url: str) -> dict[str, Any]:
    """Return the same as libpq calls them."""
    said = parts(url)
    said["dbname"] = said.pop("database")
    return said


def tell(connection: Any) -> str:
    """Say the words on a DB-API connection and close it."""
    cursor = connection.cursor()
    cursor.execute(SAYS)
    (name,) = cursor.fetchone()
    connection.close()
    return str(name)


def tell_libpq(pgconn: Any) -> str:
    """Say the words on a connection of psycopg's lowest layer."""
    result = pgconn.exec_(SAYS.encode())
    name = result.get_value(0, 0) if result.status == 2 else pgconn.error_message
    pgconn.finish()
    return str(name.decode())


def awaited(waiting: Awaitable[str]) -> str:
    """Run a coroutine to its end."""

    async def main() -> str:
        return await waiting

    return asyncio.run(main())


def in_python(code: str, url: str, *options: str, **more: Any) -> str:
    """Run code in a Python child that inherits the environment; `URL` is the URL there, and it prints the name."""
    head = f"import os, sys; sys.path.insert(0, {str(HERE)!r}); URL = {url!r}\nfrom tricks import *\n"
    command = [sys.executable, *options, "-c", head + code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **more)
    if done.returncode:
        raise ChildFailedError(done.stderr)
    return str(done.stdout).strip()


class ChildFailedError(Exception):
    """What a child wrote to its standard error."""


def outcome(way: Way, url: str) -> dict[str, str]:
    """Try a trick, and return what came of it and what was said: the database that it reached, or a refusal's code."""
    if way.alone and not os.environ.get("ALONE"):
        code = f"__import__({way.module!r}); print(json.dumps(outcome(WAYS[{way.name!r}], URL)))"
        found: dict[str, str] = json.loads(in_python(code, url, env={**os.environ, "ALONE": "1"}))
        return found
    try:
        return {"came": f"reached {way.run(url)}", "text": ""}
    except ChildFailedError as error:
        refused = "refused (E-TEST-PIN)" in str(error)
        return {"came": "E-TEST-PIN" if refused else "a child failed", "text": str(error)[-2000:]}
    except BaseException as error:
        kind = getattr(error, "code", None)
        return {"came": kind if isinstance(kind, str) else type(error).__name__, "text": str(error)}


def write_down(name: str, target: str, way: Way, **more: Any) -> None:
    """Try a trick and write down what came of it, for whoever started this."""
    line = {"trick": name, "target": target, **outcome(way, victims()[target]), **more}
    with (HERE / "results").open("a") as file:
        file.write(json.dumps(line) + "\n")
