"""A migration in several tries: what got no lock goes back whole, waits a little, and is tried again.

Each try is a worker of its own, which takes the database's lock, reads where the database stands, and goes on from
there. So nothing is lost where somebody else comes first between two tries: what they have applied is not pending any
more, and other bytes than the plan's are not run. A revision that left its transaction is never tried again.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from dbtasks.errors import DbtasksError, InterruptedByPersonError, LockTimeoutError
from dbtasks.migration_errors import MigrationFailedError
from dbtasks.migrations import upgrade
from dbtasks.migrations.events import Event, TriedAgain
from dbtasks.migrations.job import Job

# lock_not_available, deadlock_detected: both have taken the transaction back, and may be over in a moment.
LOCKS = frozenset({"55P03", "40P01"})
_LONGEST_PAUSE_S = 30.0


@dataclass(slots=True, kw_only=True)
class _Run:
    """What all tries so far have applied, and what the last one left."""

    job: Job
    applied: tuple[str, ...] = ()
    failure: MigrationFailedError | None = None
    number: int = 1


def run(job: Job, report: Callable[[Event], None]) -> tuple[str, ...]:
    """Apply the pending revisions as `upgrade.upgrade` does, in at most `job.tries` tries; the errors are the same."""
    made = _Run(job=job)
    while True:
        try:
            return made.applied + upgrade.upgrade(job, report)
        except MigrationFailedError as failure:
            made.applied, made.failure = made.applied + failure.applied, failure
            if made.number >= job.tries or not may_be_tried_again(failure):
                raise _told(made, failure) from None
        except LockTimeoutError as error:
            if not made.applied or made.failure is None:
                raise
            raise _overtaken(made, made.failure, error) from None
        except DbtasksError as error:
            error.applied = (*made.applied, *error.applied)
            raise
        made.number += 1
        pause_s = pause(made.number)
        report(
            TriedAgain(
                revision=made.failure.failed,
                blockers=made.failure.notes.get("blocked by", ""),
                number=made.number,
                tries=job.tries,
                pause_s=pause_s,
            )
        )
        _wait(made, made.failure, pause_s)


def may_be_tried_again(failure: MigrationFailedError) -> bool:
    """Return whether only a lock was missing, and all that was begun went back."""
    return failure.sqlstate in LOCKS and not failure.leftovers


def pause(number: int) -> float:
    """Return the seconds before try `number`: twice as long each time, never the same, so that two do not keep pace."""
    return min(2.0 ** (number - 2), _LONGEST_PAUSE_S) * random.uniform(0.5, 1)  # noqa: S311 - no secret


def _told(run: _Run, failure: MigrationFailedError) -> MigrationFailedError:
    if run.number == 1:
        return failure
    return MigrationFailedError(
        applied=run.applied,
        failed=failure.failed,
        pending=failure.pending,
        reason=f"{failure.reason}, in try {run.number} of {run.job.tries}",
        leftovers=failure.leftovers,
        notes=failure.notes,
        sqlstate=failure.sqlstate,
        back=failure.back,
    )


def _overtaken(run: _Run, failure: MigrationFailedError, error: LockTimeoutError) -> MigrationFailedError:
    """Return what stands where somebody else migrates now, and goes on doing so."""
    pending = [*([failure.failed] if failure.failed else []), *failure.pending]
    reason = f"between two tries {str(error).partition('. Waited')[0]}"
    notes = {"next": f"when they have ended: {run.job.command}"}
    return MigrationFailedError(
        applied=run.applied, failed=None, pending=pending, reason=reason, notes=notes, back=failure.back
    )


def _wait(run: _Run, failure: MigrationFailedError, pause_s: float) -> None:
    try:
        time.sleep(pause_s)
    except KeyboardInterrupt:
        missing = [*([failure.failed] if failure.failed else []), *failure.pending]
        lines = ["interrupted between two tries", f"  applied      {', '.join(run.applied) or 'none'}"]
        error = InterruptedByPersonError("\n".join([*lines, f"  not applied  {', '.join(missing)}"]))
        error.applied = run.applied
        raise error from None
