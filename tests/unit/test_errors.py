"""Errors make their own sentences, and their classes carry the exit codes that scripts rely on."""

from __future__ import annotations

import copy
import importlib
import pickle
import pkgutil
import traceback
from typing import Any

import pytest

import dbtasks
from dbtasks import errors
from dbtasks.errors import (
    ClonesImpossibleError,
    ConninfoError,
    ConsentNotGivenError,
    CredentialError,
    DamagedBackupError,
    DbtasksError,
    EmbeddedServerError,
    InterruptedByPersonError,
    LockTimeoutError,
    Mistake,
    PlanChangedError,
    RefusedError,
    SchemaNotCurrentError,
    SeedError,
    ServerUnreachableError,
    SettingsError,
    TiersNotReadyError,
    TrailError,
    TransactionEndedError,
    UnheldDriverError,
    UrlNotConfiguredError,
    UsageError,
)
from dbtasks.migration_errors import MigrationFailedError, MigrationHistoryError, TierNotProvenError
from dbtasks.schemas.script import UnreadableDumpError
from dbtasks.seeders.catalogue import ForeignKey
from dbtasks.seeders.order import CycleError


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (DbtasksError, 1),
        (ClonesImpossibleError, 1),
        (ServerUnreachableError, 1),
        (LockTimeoutError, 1),
        (TrailError, 1),
        (EmbeddedServerError, 1),
        (MigrationFailedError, 1),
        (SeedError, 1),
        (UsageError, 2),
        (ConninfoError, 2),
        (SettingsError, 2),
        (UrlNotConfiguredError, 2),
        (MigrationHistoryError, 2),
        (TiersNotReadyError, 2),
        (RefusedError, 3),
        (PlanChangedError, 3),
        (ConsentNotGivenError, 4),
        (InterruptedByPersonError, 130),
    ],
)
def test_an_exit_code_tells_the_kind_of_end(kind: type[DbtasksError], code: int) -> None:
    assert kind.exit_code == code


def test_every_error_has_an_exit_code_that_the_readme_tells() -> None:
    found = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, DbtasksError)]
    assert {each.exit_code for each in found} == {1, 2, 3, 4, 130}


@pytest.mark.parametrize("label", ["INT", "STG"])
def test_a_missing_url_keeps_the_sentence_that_users_know(label: str) -> None:
    assert str(UrlNotConfiguredError(label, "a_url")) == (
        f"{label} database URL not configured. Set a_url in the environment or in .env, then run: invoke check"
    )


def test_impossible_clones_name_the_reason_and_what_the_servers_owner_can_do() -> None:
    error = ClonesImpossibleError("INT", "the role may not create databases", "As a superuser: ALTER ROLE x CREATEDB")
    assert str(error) == (
        "[INT] no database can be made for tests: the role may not create databases. "
        "As a superuser: ALTER ROLE x CREATEDB"
    )


def test_an_ended_transaction_names_what_the_test_can_use_instead() -> None:
    assert str(TransactionEndedError()).endswith("a database of its own: the fixture fresh_database")


@pytest.mark.parametrize(("count", "end"), [(1, "1 mistake."), (2, "2 mistakes.")])
def test_mistakes_are_told_at_once_and_counted(count: int, end: str) -> None:
    mistakes = [Mistake(file="config/tiers.yaml", line=line, text="wrong") for line in range(1, count + 1)]
    lines = str(SettingsError(mistakes)).splitlines()
    assert lines == [
        *(f"config/tiers.yaml:{line}: wrong" for line in range(1, count + 1)),
        f"{end} Nothing was contacted.",
    ]


def test_seed_mistakes_stand_a_line_each() -> None:
    assert str(SeedError([Mistake(file="a.csv", line=2, column=3, text="wrong"), Mistake(file="b", text="gone")])) == (
        "a.csv:2:3: wrong\nb: gone"
    )


def test_a_refusal_leaves_out_what_it_does_not_know() -> None:
    assert str(RefusedError(code="E-X", saw="Seen.")) == "refused (E-X)\n  Seen."


class Seen:
    """What a refusal may show: lines and data."""

    name = "proof"

    def lines(self) -> list[str]:
        return ["a  b", "1  2"]

    def as_data(self) -> dict[str, object]:
        return {"a": 1}


def test_a_refusal_shows_its_lines_before_the_next_command_and_its_data_by_name() -> None:
    error = RefusedError(code="E-X", saw="Seen.", instead="Do: invoke check", shown=Seen())

    assert str(error).splitlines() == ["refused (E-X)", "  Seen.", "  a  b", "  1  2", "  Do: invoke check"]
    assert error.as_data() == {"code": "E-X", "exit_code": 3, "message": str(error), "proof": {"a": 1}}


def test_a_tier_that_is_not_proven_says_what_stands_there() -> None:
    error = TierNotProvenError(database="shop_stg", saw="why:", lines=["x"], applied=["a1", "b2"], instead="mend it")

    assert (error.exit_code, str(error).splitlines()) == (
        1,
        [
            "shop_stg is at head and not proven: why:",
            "  x",
            "  applied      a1, b2",
            "  next         mend it",
        ],
    )


def test_a_failed_downgrade_has_words_of_its_own() -> None:
    error = MigrationFailedError(applied=["c3"], failed="b2", pending=[], reason="no", back=True)

    assert str(error).splitlines() == [
        "Downgrade stopped at revision b2: no",
        "  taken back   c3",
        "  still there  b2",
    ]


def test_a_changed_plan_names_both_hashes() -> None:
    refused = PlanChangedError(before="7f3a90", now="11c2d0")
    assert (refused.code, refused.saw) == (
        "E-CHANGED",
        "The target changed between the plan and the first write (plan 7f3a is now 11c2).",
    )


def test_a_failed_migration_says_what_stands_and_what_does_not() -> None:
    error = MigrationFailedError(applied=["a1"], failed="b2", pending=["c3"], reason="no", leftovers=["index i"])
    assert str(error).splitlines() == [
        "Migration stopped at revision b2: no",
        "  applied      a1",
        "  not applied  b2, c3",
        "  left behind  index i",
    ]
    notes = {"raised in": "migrations/versions/b2.py:14", "next": "mend it, then: invoke reset --tier=int"}
    noted = MigrationFailedError(applied=[], failed="b2", pending=[], reason="KeyError: 'x'", notes=notes)
    assert str(noted).splitlines()[-2:] == [
        "  raised in    migrations/versions/b2.py:14",
        "  next         mend it, then: invoke reset --tier=int",
    ]
    among = noted.among(["core/a1"], ["billing/c3"])
    assert (among.applied, among.failed, among.pending) == (("core/a1",), "b2", ("billing/c3",))
    assert str(among).endswith("next         mend it, then: invoke reset --tier=int")
    nothing = MigrationFailedError(applied=[], failed=None, pending=[], reason="env.py raised")
    assert str(nothing).splitlines() == [
        "Migration stopped: env.py raised",
        "  applied      none",
        "  not applied  none",
    ]


@pytest.mark.parametrize(
    ("unknown", "text"),
    [
        (["a1"], "the database is at revision a1, which this code does not have. "),
        (["a1", "b2"], "the database is at revisions a1, b2, which this code does not have. "),
    ],
)
def test_unknown_revisions_are_named(unknown: list[str], text: str) -> None:
    assert str(MigrationHistoryError(unknown)) == text + "Check out the commit that has it, or a newer one."


BEFORE = "  Bring it up to date before the application starts: invoke"


@pytest.mark.parametrize(
    ("seen", "first", "second"),
    [
        (
            {"tier": "stg", "found": ["c41f"], "pending": 1},
            "The database shop_stg is at revision c41f, and this code expects e902 (1 pending).",
            f"{BEFORE} migrate --tier=stg",
        ),
        (
            {"tier": "", "found": [], "pending": 2},
            "The database shop_stg is at no revision, and this code expects e902 (2 pending).",
            f"{BEFORE} status, then invoke migrate",
        ),
        (
            {"tier": "stg", "found": ["f00d"], "unknown": ["f00d"]},
            "The database shop_stg is at revision f00d, and this code expects e902.",
            "  This code does not have f00d: an older one, or another branch's. Deploy the code that has it.",
        ),
    ],
    ids=["behind", "empty and without a stamp", "ahead"],
)
def test_an_application_is_told_what_its_database_lacks(seen: dict[str, Any], first: str, second: str) -> None:
    assert str(SchemaNotCurrentError(database="shop_stg", expected=["e902"], **seen)) == f"{first}\n{second}"


def test_tiers_that_are_not_ready_are_told_with_the_next_command() -> None:
    assert str(TiersNotReadyError(["[STG] is behind."])) == "[STG] is behind.\nTo see every tier: invoke check"


_MISTAKES = [Mistake(file="a.csv", line=2, column=3, text="wrong")]
_KEY = ForeignKey(name="a_b_fkey", schema="public", table=1, columns=("b",), target=2, target_columns=("id",))
# Those whose arguments are not their sentence alone.
_MADE: dict[type[DbtasksError], DbtasksError] = {
    type(error): error
    for error in (
        UrlNotConfiguredError("STG", "stg_database_url"),
        DamagedBackupError("20260301T120000Z-0a1b2c", "database.dump is missing"),
        SettingsError(_MISTAKES),
        SeedError(_MISTAKES),
        RefusedError(code="E-X", saw="Seen.", why="Why.", instead="Instead."),
        UnheldDriverError(code="E-TEST-PIN", saw="Seen."),
        PlanChangedError(before="7f3a90", now="11c2d0"),
        TiersNotReadyError(["[STG] is behind."]),
        ClonesImpossibleError("INT", "a reason", "A way."),
        TransactionEndedError(),
        MigrationFailedError(applied=["a1"], failed="b2", pending=["c3"], reason="no", leftovers=["index i"]),
        MigrationHistoryError(["a1"]),
        TierNotProvenError(database="shop_stg", saw="no.", lines=["add_column"], applied=["a1"], instead="mend it"),
        SchemaNotCurrentError(database="shop_stg", tier="stg", found=["c41f"], expected=["e902"], pending=1),
        UnreadableDumpError(b"what\n"),
        CredentialError("PROD", "op ended with 1"),
        CycleError([], [_KEY]),
    )
}


def _kinds(kind: type[DbtasksError]) -> set[type[DbtasksError]]:
    return {kind}.union(*(_kinds(each) for each in kind.__subclasses__()))


def test_every_error_comes_through_a_pipe_as_it_was() -> None:
    for module in pkgutil.walk_packages(dbtasks.__path__, "dbtasks."):
        if "__main__" not in module.name and ".worker" not in module.name:
            importlib.import_module(module.name)
    kinds = _kinds(DbtasksError)
    assert kinds >= {*_MADE, TrailError, ConsentNotGivenError}
    for kind in kinds:
        error = _MADE[kind] if kind in _MADE else kind("A sentence.")
        error.add_note("a note")
        piped = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own bytes, as a pool of processes reads them
        for again in (piped, copy.copy(error)):
            assert type(again) is kind
            assert traceback.format_exception_only(again) == traceback.format_exception_only(error)
            assert vars(again) == vars(error)
