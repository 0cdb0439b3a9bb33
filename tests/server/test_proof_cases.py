"""What can be wrong with a tier's own history or with the tier before it, each on a real server, one table of cases.

All three tiers have r1 to r3, INT and STG r4 as well, which is pending on PROD. A case changes one thing and puts it
back. What is told is the sentence, the table tier by tier, and the next command.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import pytest

from tests.outside import Finished
from tests.server.abroad import abroad as abroad
from tests.server.road import Project, Server, nothing_changes, project

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(240)]
ARMED = {"USE_PROD_DATABASE": "true"}
TIERS = ("int", "stg", "prod")


@dataclass(frozen=True, slots=True, kw_only=True)
class Road:
    """The project, and the server on which its tiers are."""

    shop: Project
    abroad: Server

    def migrate(self, tier: str, more: str = "", **environ: str) -> Finished:
        """Migrate at a terminal where nobody types anything, which PROD asks for before it reads a question."""
        armed = ARMED if tier == "prod" else {}
        return self.shop.terminal(f"migrate --tier={tier}{more}", **armed, **environ)

    def sql(self, tier: str, *statements: str) -> None:
        for statement in statements:
            self.abroad.sql(statement, f"deeds_{tier}")

    def named(self, printed: str) -> str:
        """Return a refusal's text as a line: the terminal breaks none, but the table has several blanks in a row."""
        return " ".join(printed.split())


@pytest.fixture(scope="module")
def road(abroad: Server) -> Iterator[Road]:
    abroad.role("doer", "CREATEDB")
    abroad.database("deeds_prod", "doer")
    with project("deeds") as made:
        variables = ("test_database_url", "stg_database_url", "database_url")
        made.urls = {name: abroad.url(f"deeds_{tier}", "doer") for name, tier in zip(variables, TIERS, strict=True)}
        made.with_keys()
        for tier in ("int", "stg"):
            done = made.invoke(f"reset --tier={tier}")
            assert done.code == 0, done.text
        for words in ("adopt --tier=prod", "migrate --tier=prod"):
            done = made.prod(words)
            assert done.code == 0, done.text
        made.revision("r4", "op.execute('CREATE TABLE rooms (id int PRIMARY KEY)')")
        done = made.invoke("migrate --through=stg")
        assert done.code == 0, done.text
        yield Road(shop=made, abroad=abroad)


# What a case changes

Change = Callable[[Road], object]
_ASIDE = "CREATE TABLE dbtasks.aside AS SELECT * FROM dbtasks.ledger"
_BACK = "INSERT INTO dbtasks.ledger OVERRIDING SYSTEM VALUE SELECT * FROM dbtasks.aside"


def row(revision: str, direction: str = "upgrade", *, torn: bool = False) -> str:
    """Return the statement that writes a row of the ledger with bytes that no file has."""
    values = f"'{revision}', repeat('0', 64), '{direction}', now(), {'NULL' if torn else 1}, 'anna', 1, '1'"
    columns = "revision, checksum, direction, started_at, duration_ms, person, entry, tool_version"
    return f"INSERT INTO dbtasks.ledger ({columns}) VALUES ({values})"  # noqa: S608 - our own words


def forget(tier: str, revision: str) -> Change:
    """Let a tier have a revision by its version table only, as after a run of Alembic alone."""
    return lambda road: road.sql(tier, f"DELETE FROM dbtasks.ledger WHERE revision = '{revision}'")  # noqa: S608


def stands(tier: str, revision: str, *rows: str) -> Change:
    """Let a tier's version table say that it is at a revision, and its ledger have these rows besides."""
    return lambda road: road.sql(tier, f"UPDATE alembic_version SET version_num = '{revision}'", *rows)  # noqa: S608


def torn(tier: str, revision: str) -> Change:
    return lambda road: road.sql(tier, row(revision, torn=True))


def write(id_: str, *, down: str) -> Change:
    """Write a revision that follows another one than the one before it."""

    def change(road: Road) -> None:
        number = int(id_[1:])
        road.shop.revision(id_, f"op.execute('CREATE TABLE table_{number} (id int)')")
        road.shop.edit(f"migrations/versions/{id_}.py", f"'r{number - 1}'", f"'{down}'")

    return change


def follow(id_: str, *, down: str) -> Change:
    """Let a revision follow another one."""

    def change(road: Road) -> None:
        road.shop.edit(f"migrations/versions/{id_}.py", f"'r{int(id_[1:]) - 1}'", f"'{down}'")

    return change


def remove(id_: str) -> Change:
    return lambda road: (road.shop.root / f"migrations/versions/{id_}.py").unlink()


@contextmanager
def put_back(road: Road) -> Iterator[None]:
    """Let nothing of what the block changes stay: files, ledgers, version tables."""
    versions = road.shop.root / "migrations/versions"
    files = {path: path.read_bytes() for path in versions.glob("*.py")}
    at = {tier: road.abroad.sql("SELECT version_num FROM alembic_version", f"deeds_{tier}") for tier in TIERS}
    for tier in TIERS:
        road.sql(tier, _ASIDE)
    try:
        yield
    finally:
        shutil.rmtree(versions)
        versions.mkdir()
        for path, text in files.items():
            path.write_bytes(text)
        for tier in TIERS:
            road.sql(tier, "TRUNCATE dbtasks.ledger", _BACK, "DROP TABLE dbtasks.aside")
            road.sql(tier, f"UPDATE alembic_version SET version_num = '{at[tier][0]}'")  # noqa: S608


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One thing that is wrong. `rows` are the table's cells by revision; `said` stands below the table.

    `database`: STG's URL leads there. `look`: what the command that is named says.
    """

    changes: tuple[Change, ...] = ()
    database: str = ""
    port: int = 0
    tier: str = "prod"
    code: str
    saw: str
    rows: Mapping[str, str] = field(default_factory=dict)
    said: str = ""
    next: str
    look: str = ""


LOOK = "invoke migrate --tier=prod --dry-run"
OLD_BYTES = "Put the old bytes back and write what is new as a revision of its own, then:"
CASES = {
    "a revision was put below one that PROD has": Case(
        changes=(write("r9", down="r2"), follow("r3", down="r9")),
        code="E-HISTORY",
        saw="migrations/versions/r3.py was edited since PROD ran it:",
        rows={"r9": "missing missing no entry", "r3": "{r3} {r3} {r3}"},
        next=f"{OLD_BYTES} {LOOK}",
    ),
    "PROD has one by its version table only, and has gone on": Case(
        changes=(forget("prod", "r2"),),
        code="E-HISTORY",
        saw="PROD has gone on without r2: what comes before and after it is in its ledger.",
        rows={"r2": "same same no entry"},
        next="If it ran by other means (invoke drift --tier=prod), record it: invoke adopt --tier=prod. "
        f"If it never did, let it follow the newest revision (its down_revision), then: {LOOK}",
        look="drift --tier=prod: none",
    ),
    "two heads": Case(
        changes=(write("r8", down="r3"),),
        code="E-HISTORY",
        saw="The revisions end in several heads, r4, r8, and no branch label tells them apart.",
        rows={"r8": "missing missing no entry"},
        next="Merge them (alembic merge), then: invoke migrate --through=stg",
    ),
    "two heads on STG": Case(
        changes=(write("r8", down="r3"),),
        tier="stg",
        code="E-HISTORY",
        saw="The revisions end in several heads, r4, r8, and no branch label tells them apart.",
        rows={"r8": "missing no entry"},
        next="Merge them (alembic merge), then: invoke migrate --through=int",
    ),
    "PROD is at a revision that the code no longer has": Case(
        changes=(remove("r4"), remove("r3")),
        code="E-HISTORY",
        saw="PROD is at revision r3, which this code does not have.",
        rows={"r3": "{r3} {r3} {r3}"},
        next=f"Check out the commit that has it, or a newer one, then: {LOOK}",
    ),
    "INT is at a revision that the code no longer has": Case(
        changes=(remove("r4"),),
        tier="int",
        code="E-HISTORY",
        saw="INT is at revision r4, which this code does not have.",
        rows={"r4": "{r4}"},
        next="To build it anew from this code: invoke reset --tier=int",
    ),
    "STG has it by its version table only": Case(
        changes=(forget("stg", "r4"),),
        code="E-NOT-PROVEN",
        saw="STG has r4 by its version table only: dbtasks did not run it there.",
        rows={"r4": "same missing pending"},
        next="To record what it has, once you know it is right: invoke adopt --tier=stg",
    ),
    "INT has it by its version table only": Case(
        changes=(write("r5", down="r4"), stands("int", "r5")),
        tier="stg",
        code="E-NOT-PROVEN",
        saw="INT has r5 by its version table only: dbtasks did not run it there.",
        rows={"r5": "missing pending"},
        next="To build it anew: invoke reset --tier=int",
    ),
    "INT ran other bytes": Case(
        changes=(write("r5", down="r4"), stands("int", "r5", row("r5"))),
        tier="stg",
        code="E-NOT-PROVEN",
        saw="migrations/versions/r5.py was edited since INT ran it: 000000000000 then,",
        rows={"r5": "000000000000 pending"},
        next="To prove the new bytes: invoke reset --tier=int",
    ),
    "STG took it back": Case(
        changes=(stands("stg", "r3", row("r4", "downgrade")),),
        code="E-NOT-PROVEN",
        saw="STG does not have r4.",
        rows={"r4": "same taken back pending"},
        next="To prove them first: invoke migrate --through=stg",
    ),
    "STG is behind": Case(
        changes=(write("r5", down="r4"), stands("int", "r5", row("r5"))),
        code="E-NOT-PROVEN",
        saw="STG does not have r5.",
        rows={"r5": "000000000000 missing pending"},
        next="To prove them first: invoke migrate --through=stg",
    ),
    "INT is behind": Case(
        changes=(write("r5", down="r4"),),
        tier="stg",
        code="E-NOT-PROVEN",
        saw="INT does not have r5.",
        rows={"r5": "missing pending"},
        next="To prove them first: invoke migrate --tier=int",
    ),
    "STG is torn": Case(
        changes=(torn("stg", "r4"),),
        code="E-NOT-PROVEN",
        saw="STG, the tier before, is failing: revision r4 left its transaction and did not come back.",
        rows={"r4": "same same pending"},
        said="STG: revision r4 left its transaction and did not come back",
        next="To see what to mend: invoke check --tier=stg",
        look="check --tier=stg: revision r4 left its transaction and did not come back",
    ),
    "STG does not answer": Case(
        port=1,
        code="E-NOT-PROVEN",
        saw="Whether STG has r4 could not be found out.",
        rows={"r4": "same unknown pending"},
        said="STG: cannot be asked:",
        next="To see why: invoke check --tier=stg",
        look="check --tier=stg: refused",
    ),
    "STG is not there": Case(
        database="deeds_stg_none",
        code="E-NOT-PROVEN",
        saw="Whether STG has r4 could not be found out.",
        rows={"r4": "same unknown pending"},
        said="STG: cannot be asked:",
        next="To see why: invoke check --tier=stg",
        look="check --tier=stg: invoke reset --tier=stg",
    ),
    "STG is another tier's database": Case(
        database="deeds_int",
        code="E-NOT-PROVEN",
        saw="STG, the tier before, is failing: deeds_int does not bear the stamp of STG.",
        rows={"r4": "same same pending"},
        said="STG: deeds_int does not bear the stamp of STG",
        next="To see what to mend: invoke check --tier=stg",
        look="check --tier=stg: INT",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_wrong_is_told_tier_by_tier_with_the_next_command(road: Road, case: Case) -> None:
    checksums = _checksums(road)
    environ = _elsewhere(road, case)
    with ExitStack() as stack:
        stack.enter_context(put_back(road))
        for change in case.changes:
            change(road)
        stack.enter_context(nothing_changes(road.abroad, *(f"deeds_{tier}" for tier in TIERS)))
        done = road.migrate(case.tier, **environ)
        words, _, found = case.look.partition(": ")
        looked = road.shop.invoke(words, **({} if "stg" in words else ARMED), **environ) if words else None

    shown = road.named(done.out)
    assert done.code == 3, done.out
    assert f"refused ({case.code})" in shown
    assert case.saw in shown
    assert " ".join(["revision", "file", *(tier.upper() for tier in TIERS[: TIERS.index(case.tier) + 1])]) in shown
    for revision, cells in case.rows.items():
        (line,) = [line.split() for line in done.out.splitlines() if line.strip().startswith(f"{revision} ")]
        assert " ".join(line[2:]) == cells.format(**checksums), done.out
    assert case.said in shown
    assert shown.endswith(case.next), done.out
    assert looked is None or found in looked.text, looked


def test_a_tier_before_that_is_ahead_is_fine(road: Road) -> None:
    with put_back(road):
        stands("stg", "x9", row("x9"))(road)
        done = road.migrate("prod", " --dry-run")

    assert done.code == 0, done.out
    assert "would apply     1 revision to r4" in done.out
    assert "would ask" in done.out.splitlines()[-1]


def test_what_alembic_alone_has_run_is_proven_once_somebody_has_adopted_it(road: Road) -> None:
    with put_back(road):
        forget("stg", "r4")(road)
        forget("prod", "r2")(road)
        stg = road.shop.invoke("adopt --tier=stg")
        between = road.migrate("prod")
        prod = road.shop.prod("adopt --tier=prod")
        done = road.migrate("prod", " --dry-run")

    assert (stg.code, "baseline  1 revision to r4" in stg.text) == (0, True), stg.text
    assert (between.code, "E-HISTORY" in between.out) == (3, True), between.out
    assert (prod.code, "baseline  1 revision to r2" in prod.out) == (0, True), prod.out
    assert (done.code, "would ask" in done.out.splitlines()[-1]) == (0, True), done.out


def _elsewhere(road: Road, case: Case) -> dict[str, str]:
    if not (case.database or case.port):
        return {}
    url = road.abroad.url(case.database or "deeds_stg", "doer")
    return {"stg_database_url": url.replace(f":{road.abroad.port}/", f":{case.port or road.abroad.port}/")}


def _checksums(road: Road) -> dict[str, str]:
    rows = road.abroad.sql("SELECT revision, checksum FROM dbtasks.ledger", "deeds_int")
    return {str(revision): str(checksum)[:12] for revision, checksum in rows}
