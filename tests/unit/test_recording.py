"""What comes into the trail when a run ends badly: what stands of a migration is always told."""

from __future__ import annotations

import pytest

from dbtasks.errors import DbtasksError, InterruptedByPersonError, RefusedError
from dbtasks.migration_errors import MigrationFailedError
from dbtasks.recording import recorded
from dbtasks.site import Result
from dbtasks.trail import Outcome


def applied(error: DbtasksError, *revisions: str) -> DbtasksError:
    error.applied = revisions
    return error


FAILED = MigrationFailedError(applied=["r4"], failed="r5", pending=[], reason="no lock")


@pytest.mark.parametrize(
    ("error", "facts", "aside", "told"),
    [
        (FAILED, {}, False, (Outcome.PARTIAL, ["r4"])),
        (FAILED, {}, True, (Outcome.FAILED, ["r4"])),
        (applied(RefusedError(code="E-REVISION-TORN", saw="r5"), "r4"), {}, False, (Outcome.FAILED, ["r4"])),
        (applied(InterruptedByPersonError("ctrl-c"), "r4"), {}, False, (Outcome.INTERRUPTED, ["r4"])),
        (KeyboardInterrupt(), {"applied": ["r4", "r5"]}, False, (Outcome.INTERRUPTED, ["r4", "r5"])),
        (OSError("the server went away"), {"applied": ["r4", "r5"]}, False, (Outcome.PARTIAL, ["r4", "r5"])),
        (OSError("the server went away"), {"applied": ["r4", "r5"]}, True, (Outcome.FAILED, None)),
        (OSError("the server went away"), {}, False, (Outcome.FAILED, None)),
    ],
    ids=[
        "a revision failed",
        "a revision failed, aside",
        "the worker stopped itself",
        "ctrl-c in a revision",
        "ctrl-c after the last one",
        "something failed after the last one",
        "the same, aside",
        "something failed before the first one",
    ],
)
def test_what_stands_of_a_migration_comes_into_the_trail_however_it_ends(
    error: BaseException, facts: dict[str, object], aside: bool, told: tuple[Outcome, list[str] | None]
) -> None:
    noted: list[tuple[Outcome, object]] = []

    def act() -> Result:
        raise error

    with pytest.raises(type(error)):
        recorded(act, facts, lambda outcome, detail: noted.append((outcome, detail.get("applied"))), aside=aside)

    assert noted == [told]
