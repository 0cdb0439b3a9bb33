"""What was seen of a database, as the few enums that the guard decides by."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbtasks.evidence import (
    Contents,
    Database,
    Identity,
    NameState,
    Proof,
    Replacing,
    Route,
    Server,
    ServerRole,
    Situation,
    Stamp,
    StampState,
    Use,
    WayBack,
    own_stamp,
)
from dbtasks.proof import Fault
from dbtasks.situation import FIXED_NAMES, situate
from dbtasks.tiers import Consent, Floor, Loss
from tests.unit.guard_cells import INT, PROD, STG, TIERS
from tests.unit.guard_samples import IDENTITY, SERVER, database_of, evidence_of, report_of, situation_of, stamp_of

DATABASE = database_of(STG)
MAY_NOT = replace(SERVER, can_create=False)
OWN = stamp_of(STG)
TEMPLATES = replace(OWN, identity=replace(IDENTITY, oid=999))
STRICT = Floor(may_lose=Loss.NOTHING, consent=Consent.PERSON, approvals=2, signers_digest="ab")


REPORTS = {
    Proof.NOT_NEEDED: None,
    Proof.PROVEN: report_of(),
    Proof.UNPROVEN: report_of(Fault.MISSING),
    Proof.UNKNOWN: report_of(Fault.UNREACHABLE),
    Proof.CONTRADICTED: report_of(Fault.MISSING, Fault.HEADS),
}


def look(
    database: Database | None = DATABASE,
    *,
    server: Server = SERVER,
    name: str = "shop_stg",
    proof: Proof = Proof.PROVEN,
) -> Situation:
    return situate(STG, "shop", TIERS, (server, database, name), REPORTS[proof])


def with_stamps(*stamps: Stamp) -> Database:
    return replace(DATABASE, stamps=stamps)


def test_a_healthy_database_is_what_it_says() -> None:
    assert look() == replace(
        situation_of(STG),
        way_back=WayBack.NONE,
        proof=Proof.PROVEN,
        stamped_as="stg",
        proof_report=REPORTS[Proof.PROVEN],
    )


def test_a_database_that_does_not_exist_is_missing_and_live() -> None:
    gone = replace(situation_of(STG), stamp=StampState.MISSING, contents=Contents.ABSENT, proof=Proof.NOT_NEEDED)
    expected = replace(gone, way_back=WayBack.NONE)  # that is looked for only where something could be destroyed

    assert look(None, proof=Proof.NOT_NEEDED) == expected


@pytest.mark.parametrize(
    ("database", "expected"),
    [
        pytest.param(with_stamps(OWN), StampState.MATCHES, id="its own row"),
        pytest.param(with_stamps(TEMPLATES, OWN), StampState.MATCHES, id="its own row among its template's"),
        pytest.param(with_stamps(TEMPLATES), StampState.COPIED, id="a clone with its template's row alone"),
        pytest.param(
            with_stamps(replace(OWN, identity=replace(IDENTITY, system_identifier=1))),
            StampState.COPIED,
            id="a dump restored on another server under the same oid",
        ),
        pytest.param(with_stamps(), StampState.MISSING, id="no row"),
        pytest.param(replace(DATABASE, stamps=None), StampState.UNREADABLE, id="rows that cannot be read"),
        pytest.param(with_stamps(OWN, replace(OWN, tier="int")), StampState.UNREADABLE, id="rows that contradict"),
        pytest.param(with_stamps(OWN, replace(OWN, stamped_by="ben")), StampState.MATCHES, id="the same said twice"),
        pytest.param(with_stamps(replace(OWN, tier="prod")), StampState.OTHER_TIER, id="another tier's"),
        pytest.param(with_stamps(replace(OWN, project="club")), StampState.OTHER_PROJECT, id="another project's"),
        pytest.param(
            with_stamps(replace(OWN, project="club", tier="prod")),
            StampState.OTHER_PROJECT,
            id="another project's other tier",
        ),
        pytest.param(with_stamps(replace(OWN, timeline=2)), StampState.PROMOTED, id="another timeline"),
        pytest.param(
            with_stamps(replace(OWN, tier="prod", timeline=2)), StampState.OTHER_TIER, id="another tier's, promoted"
        ),
    ],
)
def test_a_stamp_counts_only_for_the_database_that_it_was_made_for(database: Database, expected: StampState) -> None:
    assert look(database).stamp is expected


def test_the_own_stamp_is_the_row_with_the_databases_own_identity() -> None:
    found = [own_stamp(SERVER, database) for database in (with_stamps(TEMPLATES, OWN), with_stamps(TEMPLATES))]

    assert found == [OWN, None]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("shop_stg", NameState.FITS),
        ("Shop-Staging2", NameState.FITS),
        ("shop", NameState.FREE),
        ("postgres", NameState.FREE),
        ("latest_contest", NameState.FREE),
        ("painting_stg", NameState.FITS),
        ("painting_prod", NameState.OTHER),
        ("shop_int_stg", NameState.OTHER),
        ("stg_test", NameState.OTHER),
        ("", NameState.FREE),
    ],
)
def test_a_name_speaks_by_whole_words(name: str, expected: NameState) -> None:
    assert look(name=name).name is expected


def test_painting_prod_is_none_of_int() -> None:
    assert situate(INT, "shop", TIERS, (SERVER, None, "painting_prod")).name is NameState.OTHER


@pytest.mark.parametrize(
    ("objects", "expected"), [(0, Contents.EMPTY), (1, Contents.HOLDS)], ids=["no object", "one object"]
)
def test_one_user_object_is_something_that_can_be_lost(objects: int, expected: Contents) -> None:
    assert look(replace(DATABASE, user_objects=objects)).contents is expected


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        (SERVER, (ServerRole.PRIMARY, Route.DIRECT)),
        (replace(SERVER, standby=True), (ServerRole.STANDBY, Route.DIRECT)),
        (replace(SERVER, pooled=True), (ServerRole.PRIMARY, Route.POOLED)),
        (replace(SERVER, cluster_name="dbtasks-durable"), (ServerRole.PRIMARY, Route.DIRECT)),
        (
            replace(SERVER, standby=True, cluster_name="dbtasks-recovered-0a1b2c3d"),
            (ServerRole.RECOVERED, Route.DIRECT),
        ),
        (replace(SERVER, cluster_name="dbtasks-recovered-0a1b2c3d"), (ServerRole.RECOVERED, Route.DIRECT)),
    ],
    ids=["direct to the primary", "standby", "pooler", "private", "recovered and paused", "recovered and promoted"],
)
def test_the_server_says_what_it_is(server: Server, expected: tuple[ServerRole, Route]) -> None:
    seen = look(server=server)

    assert (seen.server_role, seen.route) == expected


@pytest.mark.parametrize(
    ("database", "expected"),
    [
        (DATABASE, Use.LIVE),
        (replace(DATABASE, registered="live"), Use.LIVE),
        (replace(DATABASE, registered="restored"), Use.LIVE),
        (replace(DATABASE, registered="retired"), Use.NOT_LIVE),
        (replace(DATABASE, registered="spare"), Use.NOT_LIVE),
        (replace(DATABASE, registered="clone"), Use.CLONE),
        (replace(DATABASE, template=True, registered="live"), Use.TEMPLATE),
        (replace(DATABASE, template=True, registered="live", passes="migrator"), Use.LIVE),
        (replace(DATABASE, template=True, registered="retired", passes="migrator"), Use.NOT_LIVE),
    ],
    ids=["unregistered", "live", "restored", "retired", "spare", "clone", "template", "guarded", "guarded once"],
)
def test_the_registry_and_the_catalogue_say_what_a_database_is_for(database: Database, expected: Use) -> None:
    assert look(database).use is expected


@pytest.mark.parametrize(
    ("server", "database", "name", "expected"),
    [
        pytest.param(SERVER, DATABASE, "shop_stg", Replacing.POSSIBLE, id="owner who may create"),
        pytest.param(SERVER, None, "shop_stg", Replacing.POSSIBLE, id="not there yet"),
        pytest.param(SERVER, DATABASE, "postgres", Replacing.FIXED_NAME, id="a cloud's only name"),
        pytest.param(replace(SERVER, can_create=False), DATABASE, "shop_stg", Replacing.NO_CREATEDB, id="no CREATEDB"),
        pytest.param(
            replace(SERVER, can_create=False), None, "shop_stg", Replacing.NO_CREATEDB, id="none, no CREATEDB"
        ),
        pytest.param(SERVER, replace(DATABASE, owned=False), "shop_stg", Replacing.NOT_OWNER, id="not the owner"),
        pytest.param(SERVER, replace(DATABASE, logical_slots=("s",)), "shop_stg", Replacing.SLOTS, id="a slot"),
        pytest.param(replace(SERVER, registers=False), None, "shop_stg", Replacing.NO_REGISTRY, id="no registry"),
        pytest.param(MAY_NOT, replace(DATABASE, obstacles=()), "shop_stg", Replacing.BY_SCHEMAS, id="its schemas"),
        pytest.param(MAY_NOT, replace(DATABASE, obstacles=("x",)), "shop_stg", Replacing.OBSTACLES, id="nor they"),
        pytest.param(
            MAY_NOT, replace(DATABASE, obstacles=()), "postgres", Replacing.FIXED_NAME, id="only name, schemas"
        ),
        pytest.param(
            replace(SERVER, registers=False),
            replace(DATABASE, obstacles=()),
            "shop_stg",
            Replacing.BY_SCHEMAS,
            id="no registry, its schemas",
        ),
        pytest.param(SERVER, replace(DATABASE, obstacles=()), "shop_stg", Replacing.POSSIBLE, id="better whole"),
        pytest.param(SERVER, replace(DATABASE, prepared=1), "shop_stg", Replacing.PREPARED, id="two phases"),
        pytest.param(
            SERVER, replace(DATABASE, unsettable=("log_statement",)), "shop_stg", Replacing.SETTINGS, id="settings"
        ),
    ],
)
def test_a_database_can_be_replaced_unless_something_holds_it(
    server: Server, database: Database | None, name: str, expected: Replacing
) -> None:
    assert look(database, server=server, name=name).replacing is expected


def test_what_stands_in_the_way_of_its_schemas_can_be_said() -> None:
    assert look(replace(DATABASE, obstacles=("a view", "a cast")), server=MAY_NOT).obstacles == ("a view", "a cast")
    assert look(server=MAY_NOT).obstacles == ()


@pytest.mark.parametrize("of", ["the stamp", "the tier"])
def test_schemas_of_what_may_lose_nothing_are_never_replaced(of: str) -> None:
    strict = replace(STG.floor, may_lose=Loss.NOTHING)
    stamp = replace(stamp_of(STG), floor=strict if of == "the stamp" else STG.floor)
    tier = replace(STG, may_lose=Loss.NOTHING) if of == "the tier" else STG
    database = replace(DATABASE, obstacles=(), stamps=(stamp,))

    seen = situate(tier, "shop", (STG,), (MAY_NOT, database, "shop_stg"))

    assert seen.replacing is Replacing.NO_CREATEDB


@pytest.mark.parametrize("name", sorted(FIXED_NAMES))
def test_a_fixed_name_is_never_replaced(name: str) -> None:
    assert look(name=name).replacing is Replacing.FIXED_NAME


@pytest.mark.parametrize("proof", Proof)
def test_the_proof_is_the_reports_and_both_are_passed_on(proof: Proof) -> None:
    assert (look(proof=proof).proof, look(proof=proof).proof_report) == (proof, REPORTS[proof])


@pytest.mark.parametrize(
    ("database", "expected"),
    [
        pytest.param(None, STG.floor, id="no database"),
        pytest.param(with_stamps(), STG.floor, id="no stamp"),
        pytest.param(replace(DATABASE, stamps=None), STG.floor, id="unreadable"),
        pytest.param(with_stamps(OWN), STG.floor, id="the same"),
        pytest.param(with_stamps(replace(OWN, floor=STRICT)), STRICT, id="a stricter stamp"),
        pytest.param(with_stamps(replace(OWN, floor=INT.floor)), STG.floor, id="a looser stamp"),
        pytest.param(
            with_stamps(replace(OWN, floor=replace(PROD.floor, consent=Consent.NONE))),
            Floor(may_lose=Loss.NOTHING, consent=Consent.QUESTION),
            id="each the stricter in one respect",
        ),
        pytest.param(with_stamps(OWN, replace(TEMPLATES, floor=STRICT)), STG.floor, id="the template's does not bind"),
        pytest.param(with_stamps(replace(TEMPLATES, floor=STRICT)), STRICT, id="a copy is as strict as its origin"),
        pytest.param(
            with_stamps(replace(TEMPLATES, floor=INT.floor), replace(TEMPLATES, floor=STRICT)),
            STRICT,
            id="a copy of a copy is as strict as the strictest",
        ),
    ],
)
def test_the_floor_is_the_stricter_of_stamp_and_settings(database: Database | None, expected: Floor) -> None:
    assert look(database).floor == expected


def test_the_identity_is_the_servers_and_the_databases() -> None:
    absent = replace(situation_of(STG), stamp=StampState.MISSING, contents=Contents.ABSENT)
    found = [evidence_of(STG).identity, evidence_of(STG, absent).identity]

    assert found == [Identity(system_identifier=7301, oid=16384), None]
