"""The sandbox's project, as text: three tiers, five tables, four rows."""

from __future__ import annotations

import textwrap

# PROD begins as a tier that scripts may build, and is raised to what a team has: tightening counts at once.
BUILT = "    consent: question # of PROD\n    scripts_may_answer: true\n"
GUARDED = "    consent: person # of PROD\n    scripts_may_answer: false\n"
PROD_FLAG = "    flag: USE_PROD_DATABASE\n"
PROD_ENDS = "    embedded: never # of PROD\n"

TIERS = f"""
project: drill
default: int
seeds: seeds
trail: logs/database_audit.jsonl
migrations: {{config: alembic.ini, url_variables: [DATABASE_URL], ignore_models: true}}
stock: {{most: 0 databases, by_hand: true}}
backups:
  folder: .dbtasks/backups
tiers:
  int:
    url: test_database_url
    may_lose: everything
    consent: none
    scripts_may_answer: true
    name_has_word: [int]
    seeds: [reference]
    embedded: throwaway
  stg:
    after: int
    flag: USE_STG_DATABASE
    url: stg_database_url
    may_lose: asked
    consent: question
    scripts_may_answer: true
    name_has_word: [stg]
    seeds: [reference]
    embedded: never
  prod:
    after: stg
{PROD_FLAG}    url: database_url
    admin_url: database_admin_url
    may_lose: nothing
{BUILT}    name_has_word: [prod]
    seeds: [reference]
{PROD_ENDS}"""

ENV_PY = """
import os
from alembic import context
from sqlalchemy import create_engine, pool

url = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://")
with create_engine(url, poolclass=pool.NullPool).connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
"""

FILES = {
    "config/tiers.yaml": TIERS,
    "tasks.py": "from dbtasks.invoke_tasks import namespace\n\nns = namespace()\n",
    "alembic.ini": "[alembic]\nscript_location = %(here)s/migrations\n",
    "migrations/env.py": ENV_PY,
    "seeds/reference/people.csv": "id,name\n1,first\n2,second\n",
    "seeds/reference/lessons.csv": "id,teacher,title\n1,1,Piano\n2,2,Cello\n",
}

TABLES = (
    "CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL)",
    "CREATE TABLE lessons (id int PRIMARY KEY, teacher int NOT NULL REFERENCES people, title text NOT NULL)",
    "CREATE TABLE notes (id int PRIMARY KEY, text text)",
    "INSERT INTO notes SELECT n, 'note ' || n FROM generate_series(1, 40) n",
    "CREATE SCHEMA crm",
    "CREATE TABLE crm.calls (id int PRIMARY KEY, note text)",
    "INSERT INTO crm.calls SELECT n, 'call ' || n FROM generate_series(1, 40) n",
)


def revision(number: int, statements: tuple[str, ...]) -> tuple[str, str]:
    """Return the path and the text of a revision, which follows the one before."""
    down = f"r{number - 1}" if number > 1 else None
    body = textwrap.indent("\n".join(f"op.execute({each!r})" for each in statements), "    ")
    head = f'"""r{number}"""\nfrom alembic import op\n\nrevision = "r{number}"\ndown_revision = {down!r}\n'
    return f"migrations/versions/r{number}.py", f"{head}\n\ndef upgrade():\n{body}\n"
