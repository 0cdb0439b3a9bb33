"""Several histories in one database, through all tiers: one with a version table in another schema, one with two heads.

Each test begins with every tier at every head and ends so.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.outside import Finished
from tests.server.abroad import abroad as abroad
from tests.server.road import ENV_PY, REVISION, Project, Server, nothing_changes, project, said

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(300)]
ARMED = {"USE_PROD_DATABASE": "true"}
TIERS = ("int", "stg", "prod")
HISTORIES = """\
  histories:
    core: {version_table: public.alembic_version}
    billing: {section: billing, version_table: billing_version}
    search: {config: search/alembic.ini, version_table: search.alembic_version}
"""
OTHER_TABLE = ENV_PY.replace("connection=connection", "connection=connection, version_table='billing_version'")
OTHER_SCHEMA = ENV_PY.replace("connection=connection", "connection=connection, version_table_schema='search'").replace(
    "    context.configure", "    connection.exec_driver_sql('CREATE SCHEMA IF NOT EXISTS search')\n"
    "    connection.commit()\n    context.configure"
)  # fmt: skip
FILES = {
    "alembic.ini": "[alembic]\nscript_location = %(here)s/migrations\n[billing]\nscript_location = %(here)s/billing\n",
    "billing/env.py": OTHER_TABLE,
    "search/alembic.ini": "[alembic]\nscript_location = %(here)s\n",
    "search/env.py": OTHER_SCHEMA,
}
FOLDERS = {"core": "migrations/versions", "billing": "billing/versions", "search": "search/versions"}
TABLES = {"core": "alembic_version", "billing": "billing_version", "search": "search.alembic_version"}


@dataclass(slots=True, kw_only=True)
class Trade:
    """The project, the server of its tiers, and the newest revision of each history. `first` was the first walk."""

    made: Project
    abroad: Server
    newest: dict[str, str] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    first: Finished = field(init=False)

    def revision(self, history: str, upgrade: str, downgrade: str = "pass", *, label: str = "") -> tuple[str, Path]:
        """Write a history's next revision, or the first one of a branch; return its name and its file."""
        number = next(self.numbers)
        down = None if label else self.newest.get(history)
        text = REVISION.format(message=f"number {number}", id=f"n{number}", down=down, body=_indented(upgrade))
        text += f"\n\ndef downgrade():\n{_indented(downgrade)}\n" + (
            f"\nbranch_labels = ({label!r},)\n" if label else ""
        )
        path = self.made.file(f"{FOLDERS[history]}/n{number}.py", text)
        self.newest[history] = f"n{number}"
        return f"{history}/n{number}", path

    def table(self, history: str) -> tuple[str, Path]:
        """Write a revision that makes a table of its own number."""
        number = next(self.numbers)
        return self.revision(history, f"op.execute('CREATE TABLE t{number} ()')", f"op.execute('DROP TABLE t{number}')")

    def at(self, tier: str, history: str) -> set[str]:
        return set(self.abroad.sql(f"SELECT version_num FROM {TABLES[history]}", f"trade_{tier}"))  # noqa: S608

    def heads(self, tier: str) -> dict[str, set[str]]:
        return {history: self.at(tier, history) for history in TABLES}

    def applied(self, tier: str) -> list[str]:
        """Return what stands by the ledger, oldest first."""
        rows = self.abroad.sql("SELECT revision, direction FROM dbtasks.ledger ORDER BY id", f"trade_{tier}")
        last = {str(revision): direction for revision, direction in rows}
        return [revision for revision, direction in last.items() if direction == "upgrade"]

    def walk(self) -> Finished:
        """Migrate through all tiers, as the person who means it."""
        done = self.made.prod("migrate --through=prod")
        assert done.code == 0, done.out
        return done


def _indented(body: str) -> str:
    return textwrap.indent(textwrap.dedent(body).strip(), "    ")


@pytest.fixture(scope="module")
def trade(abroad: Server) -> Iterator[Trade]:
    """Empty databases, PROD's adopted; core of three revisions, billing of two, search of two branches of one each."""
    abroad.role("trader", "CREATEDB")
    for tier in TIERS:
        abroad.database(f"trade_{tier}", "trader")
    with project("trade", **FILES) as made:
        variables = ("test_database_url", "stg_database_url", "database_url")
        made.urls = {name: abroad.url(f"trade_{tier}", "trader") for name, tier in zip(variables, TIERS, strict=True)}
        made.with_keys()
        made.edit("config/tiers.yaml", "  config: alembic.ini\n  section: alembic\n", "")
        made.edit("config/tiers.yaml", "  version_table: alembic_version\n", HISTORIES)
        it = Trade(made=made, abroad=abroad, newest={"core": "r3"})
        it.revision("billing", "op.execute('CREATE TABLE invoices (id int PRIMARY KEY, payer int REFERENCES people)')")
        it.revision(
            "billing",
            """
            with op.get_context().autocommit_block():
                op.execute("CREATE INDEX CONCURRENTLY invoices_by_payer ON invoices (payer)")
            """,
        )
        it.revision("search", "op.execute('CREATE TABLE search.words (word text)')", label="words")
        it.revision("search", "op.execute('CREATE TABLE search.synonyms (word text)')", label="synonyms")
        done = made.prod("adopt --tier=prod")
        assert done.code == 0, done.out
        it.first = it.walk()
        yield it


def test_one_walk_brings_every_history_of_every_tier_to_its_heads_as_alembic_alone_does(trade: Trade) -> None:
    bare = trade.abroad.database("trade_bare", "trader")
    url = trade.abroad.url(bare, "trader")
    for options in ((), ("-n", "billing"), ("-c", "search/alembic.ini")):
        command = [sys.executable, "-m", "alembic", *options, "upgrade", "heads"]
        environ = trade.made.environ(DATABASE_URL=url)
        subprocess.run(command, cwd=trade.made.root, env=environ, check=True, capture_output=True)
    order = ["core/r1", "core/r2", "core/r3", "billing/n1", "billing/n2", "search/n3", "search/n4"]

    badges = re.findall(r"^\[(INT|STG|PROD)\]", trade.first.out, re.MULTILINE)
    assert badges[0] == "INT"
    assert list(dict.fromkeys(badges)) == ["INT", "STG", "PROD"]
    for tier in TIERS:
        applied = [name for name in trade.applied(tier) if name in order]  # other tests add theirs
        assert [*applied[:5], *sorted(applied[5:])] == order  # Alembic alone says which branch comes first
        assert _schema(trade, f"trade_{tier}") == _schema(trade, bare)


def test_the_next_walk_runs_what_is_pending_in_each_history_and_nothing_else(trade: Trade) -> None:
    (core, _), (billing, _) = trade.table("core"), trade.table("billing")

    done = trade.walk()

    card = done.out.partition("Type 'yes'")[0]
    assert all(re.search(rf"^ +{name} ", card, re.MULTILINE) for name in (core, billing)), card
    assert "rehearsed       2 revisions" in card
    assert not re.search(r"^ +search/", card, re.MULTILINE), card
    for tier in TIERS:
        assert trade.applied(tier)[-2:] == [core, billing]
    assert trade.heads("int") == trade.heads("stg") == trade.heads("prod")


def test_prod_wants_the_revisions_of_each_history_proven(trade: Trade) -> None:
    core, _ = trade.table("core")
    assert trade.made.invoke("migrate --through=stg").code == 0
    billing, path = trade.table("billing")
    assert trade.made.invoke("migrate --tier=int").code == 0

    with nothing_changes(trade.abroad, "trade_prod"):
        behind = trade.made.terminal("migrate --tier=prod", **ARMED)
    assert trade.made.invoke("migrate --tier=stg").code == 0
    text, old = path.read_text(), _checksum(path)
    path.write_text(f"{text}# edited since\n")
    with nothing_changes(trade.abroad, "trade_prod"):
        edited = trade.made.terminal("migrate --tier=prod", **ARMED)
    new = _checksum(path)
    path.write_text(text)

    assert (behind.code, "refused (E-NOT-PROVEN)" in behind.out) == (3, True), behind.out
    assert f"STG does not have {billing}." in behind.out
    assert _row(behind.out, billing) == [old[:12], "same", "missing", "pending"]
    assert core not in behind.out.partition("refused")[2]
    assert (edited.code, "refused (E-NOT-PROVEN)" in edited.out) == (3, True), edited.out
    name = path.relative_to(trade.made.root)
    assert f"{name} was edited since STG ran it: {old[:12]} then, {new[:12]} now." in edited.out
    assert _row(edited.out, billing) == [new[:12], old[:12], old[:12], "pending"]
    trade.walk()
    assert trade.applied("prod")[-2:] == [core, billing]


def test_a_walk_that_fails_in_one_history_says_what_stands_and_leaves_the_later_ones_alone(trade: Trade) -> None:
    core, _ = trade.table("core")
    billing, path = trade.revision("billing", "op.execute(\"SELECT 1 / (current_database() <> 'trade_stg')::int\")")
    search, _ = trade.table("search")
    prod = trade.heads("prod")

    failed = trade.made.invoke("migrate --through=prod --format=json", **ARMED)
    stg = trade.heads("stg")
    path.write_text(path.read_text().replace("trade_stg", "trade_else"))
    again = trade.made.invoke("migrate --through=stg")
    rebuilt = trade.made.invoke("reset --tier=int")

    assert failed.code == 1, failed.text
    assert f"Migration stopped at revision {billing}: DivisionByZero" in failed.err
    assert f"  applied      {core}\n  not applied  {billing}, {search}\n" in failed.err
    assert f"  so far       INT done ({core}, {billing}, {search}) · STG stopped · PROD not asked" in failed.err
    assert [each["verdict"] for each in said(failed)["tiers"]] == ["done", "stopped", "not asked"]
    assert (stg["core"], stg["billing"], stg["search"]) == ({core[5:]}, prod["billing"], prod["search"])
    assert trade.heads("prod") == prod
    assert (again.code, "E-NOT-PROVEN" in again.err) == (3, True), again.text
    assert f"{path.relative_to(trade.made.root)} was edited since INT ran it" in again.err
    assert "To prove the new bytes: invoke reset --tier=int" in again.err
    assert rebuilt.code == 0, rebuilt.text
    trade.walk()
    assert trade.applied("stg")[-3:] == trade.applied("prod")[-3:] == [core, billing, search]


def test_a_downgrade_names_a_revision_of_one_history_and_leaves_the_others_where_they_are(trade: Trade) -> None:
    core, _ = trade.table("core")
    below, _ = trade.table("billing")
    billing, _ = trade.table("billing")
    trade.walk()
    before = trade.heads("stg")

    unknown = trade.made.invoke(f"downgrade --tier=stg --to={billing.partition('/')[2]} --yes")
    back = trade.made.invoke(f"downgrade --tier=stg --to={below} --yes --format=json")
    after = trade.heads("stg")
    newer, _ = trade.table("search")
    assert trade.made.invoke("migrate --tier=int").code == 0
    prod = trade.made.terminal("migrate --tier=prod", **ARMED)

    assert unknown.code == 2, unknown.text
    assert said(back)["result"]["taken_back"] == [billing], back.text
    assert after == before | {"billing": {below.partition("/")[2]}}
    assert after["core"] == {core.partition("/")[2]}
    assert (prod.code, f"STG does not have {newer}." in prod.out) == (3, True), prod.out
    trade.walk()
    assert trade.heads("int") == trade.heads("stg") == trade.heads("prod")


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _schema(trade: Trade, database: str) -> str:
    """Return what a database's own schemas are, whatever it is called."""
    text = trade.abroad.dump(database, "--exclude-schema=dbtasks", "--schema-only")
    return re.sub(rf"\b{database}\b", "trade", text)


def _row(shown: str, revision: str) -> list[str]:
    """Return a table's cells for a revision, its file's bytes first."""
    return next(line.split()[1:] for line in shown.splitlines() if line.strip().startswith(f"{revision} "))
