"""A Flask application with Flask-Migrate, whose folder of migrations is as `flask db init` makes it."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.public.projects import Venv
from tests.public.test_public_projects import log
from tests.server.abroad import abroad as abroad
from tests.server.road import Server, project

pytestmark = [pytest.mark.public, pytest.mark.timeout(1200)]

VENV = Venv(
    name="flask",
    requirements=("Flask-Migrate==4.1.0", "Flask-SQLAlchemy==3.1.1", "SQLAlchemy==2.0.51", "psycopg2-binary==2.9.13"),
)
APP = """
import os
from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = os.environ.get("DATABASE_URL", "postgresql://nobody@nowhere/nothing")
db = SQLAlchemy(app)
Migrate(app, db)
"""
REVISION = """
import sqlalchemy as sa
from alembic import op

revision = "7c1e"
down_revision = None


def upgrade():
    op.create_table("people", sa.Column("id", sa.Integer, primary_key=True))
"""


def test_flask_migrate_is_adopted_as_it_is(abroad: Server) -> None:
    VENV.install()
    for tier in ("int", "stg"):
        abroad.database(f"flask_{tier}")
    with project("flask", **{"app.py": APP}) as made:
        made.urls = {"test_database_url": abroad.url("flask_int"), "stg_database_url": abroad.url("flask_stg")}
        for each in ("migrations/env.py", *(f"migrations/versions/r{n}.py" for n in (1, 2, 3)), "alembic.ini"):
            (made.root / each).unlink()
        (made.root / "migrations/versions").rmdir()
        flask = [str(VENV.folder / "bin" / "flask"), "db", "init"]
        subprocess.run(flask, cwd=made.root, check=True, capture_output=True, env={"PATH": os.defpath})
        made.file("migrations/versions/7c1e.py", REVISION)
        made.edit(
            "config/tiers.yaml",
            "  config: alembic.ini\n",
            f"  config: migrations/alembic.ini\n  python: {VENV.python}\n",
        )
        made.edit("config/tiers.yaml", "  version_table:", "  program: [flask, db, upgrade]\n  version_table:")

        done = made.invoke("migrate --through=stg", PYTHONPATH=None)

        assert done.code == 0, done.text + log(made.root)
    for tier in ("int", "stg"):
        assert abroad.sql("SELECT revision, direction FROM dbtasks.ledger", f"flask_{tier}") == [("7c1e", "upgrade")]
