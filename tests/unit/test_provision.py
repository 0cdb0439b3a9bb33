"""How a way back would be provided: by the policy of the tier, as strictly as the stamp demands."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbtasks.conninfo import parse
from dbtasks.effects import Operation
from dbtasks.errors import RefusedError, UsageError
from dbtasks.evidence import WayBack
from dbtasks.project import Project, open_project
from dbtasks.provision import provide
from dbtasks.recovery.engines import Provider
from dbtasks.recovery.engines.choosing import engine_for
from dbtasks.surroundings import Kind
from dbtasks.targets import Target
from dbtasks.tiers import Loss, Recovery, RecoveryEngine
from dbtasks.way_back import Policy
from tests.outside import REPOSITORY
from tests.unit.guard_samples import BACK_UP, MIGRATE, RESET, request_for, situation_of

CONNINFO = parse("postgresql://anna@db-7.example.com/shop_stg", variable="stg_database_url")


@pytest.fixture(scope="module")
def here() -> Project:
    return open_project(REPOSITORY, {"PATH": "/bin"})


def asked(
    here: Project, operation: Operation, may_lose: Loss = Loss.ASKED, because: str = ""
) -> tuple[WayBack, str, Policy]:
    tier = here.settings.tier("stg")
    request = request_for(tier, operation, Kind.TERMINAL)
    before = replace(situation_of(tier), way_back=WayBack.NONE)
    situation = replace(before, floor=replace(before.floor, may_lose=may_lose))
    target = Target(tier=tier, conninfo=CONNINFO, variable="stg_database_url", masked=CONNINFO.masked)
    found, policy = provide(here, request, target, situation, because)
    return found.way_back, found.no_way_back, policy


def test_what_destroys_inside_of_a_database_takes_a_backup_and_what_replaces_it_needs_none(here: Project) -> None:
    assert asked(here, MIGRATE) == (WayBack.PROVIDED, "", Policy(backup="pg_dump"))
    assert asked(here, RESET) == (WayBack.NONE, "", Policy())


def test_a_provider_is_asked_only_where_the_connection_leads_there(here: Project) -> None:
    stg = here.settings.tier("stg")
    tier = replace(stg, recovery=Recovery(engine=RecoveryEngine.SUPABASE, token="HOME_TOKEN"))
    theirs = parse(f"postgresql://postgres:x@db.{'abcde' * 4}.supabase.co/postgres", variable="stg_database_url")
    target = Target(tier=tier, conninfo=theirs, variable="stg_database_url", masked=theirs.masked)

    found = engine_for(here, target)

    assert (isinstance(found, Provider), found and found.name) == (True, "supabase")
    with pytest.raises(UsageError, match="no project of Supabase for certain"):
        engine_for(here, replace(target, conninfo=CONNINFO))


def test_a_reason_waives_a_backup_but_not_one_that_was_asked_for(here: Project) -> None:
    assert asked(here, MIGRATE, because="a demo")[::2] == (WayBack.WAIVED, Policy())
    assert asked(here, BACK_UP, because="a demo")[2] == Policy(backup="pg_dump")


def test_the_stamp_decides_how_strict_keys_are_and_not_an_edited_file(here: Project) -> None:
    way_back, why, _ = asked(here, MIGRATE, Loss.NOTHING)

    assert (way_back, "sealed to 0 keys" in why) == (WayBack.NONE, True)
    with pytest.raises(RefusedError, match="sealed to 0 keys"):
        asked(here, BACK_UP, Loss.NOTHING)
