"""A test that wants to write to PROD, by each driver that is installed, by a child, and by a task."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable

from dbtasks.drill.attempt import Attempt, Layer, Ran
from dbtasks.drill.attempts.consent import reset_by_approval
from dbtasks.drill.ground import ARMED, Ground
from dbtasks.drill.signing import last_line

_BY_DRIVER = {
    "psycopg": "import psycopg\nwith psycopg.connect(URL) as c:\n    c.execute(SQL)",
    "psycopg2": "import psycopg2\nc = psycopg2.connect(URL)\nc.cursor().execute(SQL)\nc.commit()",
    "psycopg_pool": (
        "import psycopg_pool\nwith psycopg_pool.ConnectionPool(URL, min_size=1, timeout=20) as pool:\n"
        "    with pool.connection() as c:\n        c.execute(SQL)"
    ),
    "asyncpg": (
        "import asyncio, asyncpg\nasync def write():\n    c = await asyncpg.connect(URL)\n"
        "    await c.execute(SQL)\n    await c.close()\nasyncio.run(write())"
    ),
    "pg8000": (
        "import pg8000.dbapi\nfrom urllib.parse import urlsplit\nu = urlsplit(URL)\n"
        "c = pg8000.dbapi.connect(user=u.username, password=u.password, host=u.hostname, port=u.port,"
        " database=u.path[1:])\nc.cursor().execute(SQL)\nc.commit()"
    ),
    "sqlalchemy": (
        "import sqlalchemy\nengine = sqlalchemy.create_engine(URL.replace('postgresql:', 'postgresql+psycopg:'))\n"
        "with engine.begin() as c:\n    c.execute(sqlalchemy.text(SQL))"
    ),
    "psqlpy": (
        "import asyncio, psqlpy\nasync def write():\n    c = await psqlpy.connect(dsn=URL)\n"
        "    await c.execute(SQL)\nasyncio.run(write())"
    ),
}
_FILE = """import os

URL, SQL = os.environ["clerk_url"], "INSERT INTO notes VALUES ({number}, 'by a test')"


def test_writes():
{body}


if __name__ == "__main__":
    test_writes()
"""
_CHILD = """import subprocess, sys


def test_writes():
    done = subprocess.run([sys.executable, "tests/writes.py"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


if __name__ == "__main__":
    test_writes()
"""
_TASK = """import subprocess, sys


def test_resets():
    command = [sys.executable, "-m", "invoke", "reset", "--tier=prod", "--yes"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
"""


def _not_installed(*modules: str) -> Callable[[Ground], str]:
    def missing(_ground: Ground) -> str:
        absent = [name for name in modules if importlib.util.find_spec(name) is None]
        return f"not installed: {', '.join(absent)}" if absent else ""

    return missing


def _written(name: str, number: int) -> str:
    body = "\n".join(f"    {line}" for line in _BY_DRIVER[name].splitlines())
    return _FILE.format(number=number, body=body)


def _in_a_test(file: str, text: str) -> Callable[[Ground], Ran]:
    def forbidden(ground: Ground) -> Ran:
        ground.write(file, text)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "dbtasks_build=false", file]
        return ground.run(command, ARMED)

    return forbidden


def _outside(file: str) -> Callable[[Ground], str]:
    """Run the same file outside of a test."""

    def allowed(ground: Ground) -> str:
        before = ground.state("drill_prod")
        ran = ground.run([sys.executable, file])
        return "" if ground.state("drill_prod") != before else last_line(ran)

    return allowed


def _by_a_child(ground: Ground) -> Ran:
    ground.write("tests/writes.py", _written("psycopg", 2100))
    return _in_a_test("tests/test_child.py", _CHILD)(ground)


def _by_driver(name: str, number: int) -> Attempt:
    file = f"tests/test_{name}.py"
    return Attempt(
        id=f"test_isolation.{name}",
        tried=f"a test writes to PROD through {name}",
        layer=Layer.PIN,
        by="E-TEST-PIN",
        forbidden=_in_a_test(file, _written(name, number)),
        allowed=_outside(file),
        missing=_not_installed("pytest", name),
    )


# Each writes a row of its own, so that what is allowed for one leaves room for the next.
REACHING = (
    *(_by_driver(name, 2000 + number) for number, name in enumerate(_BY_DRIVER)),
    Attempt(
        id="test_isolation.child",
        tried="a program that a test starts writes to PROD",
        layer=Layer.PIN,
        by="E-TEST-PIN",
        forbidden=_by_a_child,
        allowed=_outside("tests/test_child.py"),
        missing=_not_installed("pytest"),
    ),
    Attempt(
        id="test_isolation.task",
        tried="a test starts `invoke reset --tier=prod --yes`",
        layer=Layer.PIN,
        by="E-TEST-PIN",
        forbidden=_in_a_test("tests/test_task.py", _TASK),
        allowed=reset_by_approval,
        missing=_not_installed("pytest"),
    ),
)
