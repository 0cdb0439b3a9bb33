"""Which torn revisions stop a run, and whether up or down is the way in which they can still run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbtasks.evidence import Torn
from dbtasks.materials import Materials
from dbtasks.migrations.history import History
from dbtasks.plan import RevisionBytes
from dbtasks.torn import torn
from tests.unit.guard_cells import STG
from tests.unit.guard_samples import database_of
from tests.unit.test_lineage import LINE, MERGED

DATABASE = database_of(STG)


def materials(*, pending: str = "", back: str = "", retry: str = "") -> Materials:
    files = {id_: RevisionBytes(id=id_, checksum="") for id_ in "abcde"}
    return Materials(
        pending=tuple(files[each] for each in pending), back=tuple(files[each] for each in back), retry=tuple(retry)
    )


@pytest.mark.parametrize(
    ("tree", "at", "back_to"),
    [
        pytest.param(LINE, "c", "", id="it never came to stand"),
        pytest.param(LINE, "d", "c", id="its downgrade did not come to its end"),
        pytest.param(LINE, "", "", id="nothing stands"),
        pytest.param(MERGED, "e", "<revision>", id="two before it"),
    ],
)
def test_where_it_stands_a_downgrade_runs_it_again_else_a_migration(tree: History, at: str, back_to: str) -> None:
    database = replace(DATABASE, revisions=frozenset(at), torn=("d",))

    assert torn(tree, database, materials(), back=False) == (Torn(revision="d", back_to=back_to),)


def test_the_first_revision_goes_back_to_base() -> None:
    database = replace(DATABASE, revisions=frozenset("a"), torn=("a",))

    assert torn(LINE, database, materials(), back=True) == (Torn(revision="a", back_to="base"),)


@pytest.mark.parametrize(
    ("run", "back", "stops"),
    [
        pytest.param(materials(pending="d", retry="d"), False, False, id="it runs again"),
        pytest.param(materials(back="d", retry="d"), True, False, id="its downgrade runs again"),
        pytest.param(materials(pending="d"), False, True, id="nobody says so"),
        pytest.param(materials(retry="d"), False, True, id="nothing would run it"),
        pytest.param(materials(pending="d", back="c", retry="d"), True, True, id="the other way would run it"),
    ],
)
def test_what_is_retried_counts_only_where_this_run_has_it(run: Materials, back: bool, stops: bool) -> None:
    database = replace(DATABASE, revisions=frozenset("d" if back else "c"), torn=("d",))

    assert bool(torn(LINE, database, run, back=back)) is stops


def test_nothing_is_torn_where_nothing_is_known_of_revisions() -> None:
    assert torn(None, replace(DATABASE, torn=("d",)), materials(), back=False) == ()
    assert torn(LINE, DATABASE, materials(), back=False) == ()
    assert torn(LINE, None, materials(), back=False) == ()
