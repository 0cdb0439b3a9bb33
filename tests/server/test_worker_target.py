"""The worker's door: an env.py that goes elsewhere is stopped before it arrives, and named."""

from __future__ import annotations

import socket
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from dbtasks.errors import RefusedError
from tests import outside
from tests.server.shop import ENV, Shop, until


@contextmanager
def counting() -> Iterator[tuple[int, list[object]]]:
    """Yield the port of a server that accepts connections and closes them, and the list of those that came."""
    arrived: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    connection, place = listener.accept()
                except OSError:
                    return
                arrived.append(place)
                connection.close()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1], arrived
        listener.shutdown(socket.SHUT_RDWR)


OTHER = "postgresql://postgres:hunter2!@127.0.0.1:{port}/prod"
ELSEWHERE = {
    "a URL of its own": f"""
        import sqlalchemy
        sqlalchemy.create_engine({OTHER!r}.replace(":", "+psycopg:", 1)).connect()
        """,
    "psycopg directly": f"""
        import psycopg
        psycopg.connect({OTHER!r})
        """,
    "psycopg with every exception swallowed": f"""
        import psycopg
        try:
            psycopg.connect({OTHER!r})
        except BaseException:
            pass
        """,
    "a creator": f"""
        import psycopg, sqlalchemy
        sqlalchemy.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect({OTHER!r})).connect()
        """,
    "variables that fill gaps": """
        import os, psycopg
        os.environ.update(PGHOST="127.0.0.1", PGPORT="{port}", PGUSER="postgres", PGDATABASE="prod")
        psycopg.connect("")
        """,
    "asyncio": f"""
        import asyncio, psycopg
        asyncio.run(psycopg.AsyncConnection.connect({OTHER!r}))
        """,
}


@pytest.mark.parametrize("code", ELSEWHERE.values(), ids=ELSEWHERE.keys())
def test_an_env_py_that_goes_elsewhere_is_stopped_before_it_arrives(shop: Shop, code: str) -> None:
    shop.revision("CREATE TABLE a (id int)")
    with counting() as (port, arrived):
        shop.env(textwrap.dedent(code).format(port=port))
        with pytest.raises(RefusedError) as refusal:
            shop.upgrade()
        time.sleep(0.1)
    assert refusal.value.code == "E-WORKER-TARGET"
    assert refusal.value.saw == f"env.py tried to connect to 127.0.0.1:{port}/prod as postgres"
    assert arrived == []
    assert "hunter2" not in str(refusal.value) + shop.log()


def test_the_listener_of_the_test_above_would_notice() -> None:
    with counting() as (port, arrived):
        with pytest.raises(psycopg.OperationalError):
            outside.connect(host="127.0.0.1", port=port, user="postgres", dbname="prod")
        assert until(lambda: len(arrived) > 0)


def test_another_address_behind_the_right_host_is_stopped(shop: Shop) -> None:
    url = shop.server.url(shop.database)
    shop.env(f"import psycopg; psycopg.connect({url!r}, hostaddr='127.0.0.2')")
    with pytest.raises(RefusedError) as refusal:
        shop.upgrade()
    assert refusal.value.saw == f"env.py tried to connect to 127.0.0.2:{shop.server.port}/{shop.database} as postgres"


def test_another_database_of_the_same_server_is_stopped(shop: Shop) -> None:
    code = """
        import os, psycopg
        psycopg.connect(os.environ["DATABASE_URL"], dbname="postgres")
        """
    shop.env(textwrap.dedent(code))
    with pytest.raises(RefusedError) as refusal:
        shop.upgrade()
    assert refusal.value.saw == f"env.py tried to connect to 127.0.0.1:{shop.server.port}/postgres as postgres"


def test_another_dialect_is_stopped_and_named(shop: Shop) -> None:
    shop.env("import sqlalchemy; sqlalchemy.create_engine('sqlite:///cache.db').connect()")
    with pytest.raises(RefusedError) as refusal:
        shop.upgrade()
    assert refusal.value.saw.startswith("env.py tried to connect to a sqlite database: ")
    assert refusal.value.saw.endswith("cache.db")


def test_a_database_that_took_the_name_is_stopped_by_its_identity(shop: Shop) -> None:
    shop.revision("CREATE TABLE a (id int)")
    with pytest.raises(RefusedError) as refusal:
        shop.upgrade(oid=1)
    assert refusal.value.code == "E-WORKER-TARGET"
    assert shop.current() == frozenset()


def test_a_revision_that_goes_elsewhere_is_named_and_takes_nothing_along(shop: Shop) -> None:
    shop.env(ENV.format(per_migration=True))
    shop.revision("CREATE TABLE a (id int)")
    shop.revision(
        "CREATE TABLE b (id int)", code="import psycopg\npsycopg.connect('host=127.0.0.1 port=1 user=x dbname=y')"
    )
    with pytest.raises(RefusedError) as refusal:
        shop.upgrade()
    assert refusal.value.saw == "revision r2: env.py tried to connect to 127.0.0.1:1/y as x"
    assert "Applied: r1. Not applied: r2." in refusal.value.why
    assert (shop.current(), shop.ledger()) == (frozenset({"r1"}), ["r1"])
