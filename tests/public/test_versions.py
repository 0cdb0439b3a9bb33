"""One small project that has what projects have, on old and new Alembic and SQLAlchemy, each in its own Python."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from dbtasks.migrations import ledger
from dbtasks.settings import MigrationSettings
from tests.public.projects import Venv
from tests.server.road import dump
from tests.server.shop import ASYNC_ENV, ENV, SETTINGS, Shop
from tests.server.shop import shop as shop
from tests.server.shop import shop_server as shop_server
from tests.server.test_adopting import upgrade

pytestmark = [pytest.mark.public, pytest.mark.timeout(1200)]

VERSIONS = {
    "1.8, 1.4, psycopg2": ("alembic==1.8.1", "SQLAlchemy==1.4.54", "psycopg2-binary==2.9.13"),
    "1.8, 1.4, asyncpg": ("alembic==1.8.1", "SQLAlchemy[asyncio]==1.4.54", "asyncpg==0.32.0"),
    "1.13, 2.0, psycopg": ("alembic==1.13.3", "SQLAlchemy[asyncio]==2.0.51", "psycopg[binary]==3.3.9"),
    "1.16, 2.0, asyncpg": ("alembic==1.16.5", "SQLAlchemy[asyncio]==2.0.51", "asyncpg==0.32.0"),
    "1.20, 2.1, psycopg2": ("alembic==1.20.1", "SQLAlchemy==2.1.9", "psycopg2-binary==2.9.13"),
    "1.20, 2.1, psycopg": ("alembic==1.20.1", "SQLAlchemy[asyncio]==2.1.9", "psycopg[binary]==3.3.9"),
}
META = "version_table='versions', version_table_schema='meta', include_schemas=True"
_SYNC = ENV.format(per_migration=f"True, {META}")
_ASYNC = ASYNC_ENV.replace("connection=connection", f"connection=connection, transaction_per_migration=True, {META}")

# A tree that forks and is merged, with an index outside of a transaction, and a branch with a label that depends on it.
_LABEL = "branch_labels = ('billing',)\ndepends_on = 'a2'"
_OUTSIDE = """
    with op.get_context().autocommit_block():
        op.execute('CREATE INDEX CONCURRENTLY people_name ON people (name)')
"""
REVISIONS = {
    "a1": ("None", "", "    op.create_table('people', sa.Column('id', sa.Integer, primary_key=True), NAME)"),
    "a2": ("'a1'", "", "    op.add_column('people', sa.Column('email', sa.Text, server_default=''))"),
    "a3": ("'a1'", "", "    op.execute(\"CREATE TYPE mood AS ENUM ('fine', 'tired')\")"),
    "a4": ("('a2', 'a3')", "", "    op.add_column('people', sa.Column('mood', sa.Text))"),
    "a5": ("'a4'", "", _OUTSIDE),
    "b1": ("None", _LABEL, "    op.create_table('bills', sa.Column('id', sa.Integer))"),
    "b2": ("'b1'", "", "    op.execute('ALTER TABLE bills ADD person int REFERENCES people')"),
}
_TEXT = """
import sqlalchemy as sa
from alembic import op

NAME = sa.Column('name', sa.Text)
revision = {id_!r}
down_revision = {down}
{more}

def upgrade():
{body}
"""


def write(shop: Shop, env: str) -> None:
    shop.env(env)
    for id_, (down, more, body) in REVISIONS.items():
        text = _TEXT.format(id_=id_, down=down, more=more, body=body)
        (shop.root / "migrations/versions" / f"{id_}.py").write_text(text)
    with shop.connect() as connection:
        connection.execute("CREATE SCHEMA meta")


def alone(shop: Shop, python: Path, driver: str) -> str:
    """Migrate another database by Alembic alone, and return what it holds."""
    name = f"{shop.database}_alone"
    with shop.server.connect("postgres") as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    try:
        with shop.server.connect(name) as connection:
            connection.execute("CREATE SCHEMA meta")
        url = shop.server.url(name)
        ini = shop.root / "alone.ini"
        location = (shop.root / "alembic.ini").read_text().partition("sqlalchemy.url")[0]
        ini.write_text(f"{location}sqlalchemy.url = {url.replace('://', f'+{driver}://', 1).replace('%', '%%')}\n")
        command = [str(python), "-m", "alembic", "-c", str(ini), "upgrade", "heads"]
        done = subprocess.run(
            command, cwd=shop.root, capture_output=True, text=True, check=False, env={"PATH": os.defpath}
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return schema(url, name)
    finally:
        with shop.server.connect("postgres") as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def schema(url: str, name: str) -> str:
    return dump(url, "--exclude-schema=dbtasks").replace(name, "it")


@pytest.mark.parametrize("requirements", VERSIONS.values(), ids=VERSIONS.keys())
@pytest.mark.parametrize("env", [_SYNC, _ASYNC], ids=["sync", "async"])
def test_old_and_new_versions_end_where_alembic_alone_ends(shop: Shop, requirements: tuple[str, ...], env: str) -> None:
    driver = requirements[2].partition("=")[0].partition("[")[0].removesuffix("-binary")
    if (driver == "asyncpg" and env is _SYNC) or (driver == "psycopg2" and env is _ASYNC):
        pytest.skip("this driver serves the other kind of env.py")
    venv = Venv(name="versions", requirements=requirements)
    venv.install()
    write(shop, env)
    settings: MigrationSettings = replace(SETTINGS, python=venv.python, version_table="meta.versions")

    applied = upgrade(shop, settings)
    assert set(applied) == set(REVISIONS), shop.log()
    assert upgrade(shop, settings) == ()
    with shop.connect() as connection:
        rows = ledger.applied(connection)
        assert ledger.standing(connection, settings.version_tables) == {"a5", "b2"}
    assert [row.revision for row in rows if row.duration_ms is not None] == list(applied)
    assert schema(shop.server.url(shop.database), shop.database) == alone(shop, venv.python, driver)
