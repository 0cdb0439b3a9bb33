"""How a run of migrations can end: what stands, what does not, and what comes next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dbtasks.errors import DbtasksError, UsageError

_MOST_LINES, _MOST_CHARACTERS = 12, 1500  # of what a revision raised; its traceback stands in the log


def stood(*, back: bool) -> tuple[str, str]:
    """Return the words for the revisions that a run has dealt with, and for the others. `back`: it took them back."""
    return ("taken back", "still there") if back else ("applied", "not applied")


def _bounded(text: str) -> str:
    """Return as much of a text as a screen holds.

    >>> _bounded("no such column"), _bounded("x\\n" * 40).splitlines()[-1], _bounded("y" * 9000)[-16:]
    ('no such column', '... (28 more lines)', '... (7,500 more)')
    """
    lines = text.splitlines()
    if len(lines) > _MOST_LINES:
        text = "\n".join([*lines[:_MOST_LINES], f"... ({len(lines) - _MOST_LINES} more lines)"])
    rest = len(text) - _MOST_CHARACTERS
    return text if rest <= 0 else f"{text[:_MOST_CHARACTERS]}... ({rest:,} more)"


class MigrationFailedError(DbtasksError):
    """A revision raised. `applied` came before it and stands; `failed` and `pending` are not in the database.

    `leftovers` are what a revision that ran outside of a transaction left behind, in words. `notes` are what else
    helps, each with its name: where it was raised, what says more, what comes next. `sqlstate` is the server's code
    where what failed has gone back whole. `back`: they were to be taken back.
    """

    def __init__(
        self,
        *,
        applied: Sequence[str],
        failed: str | None,
        pending: Sequence[str],
        reason: str,
        leftovers: Sequence[str] = (),
        notes: Mapping[str, str] | None = None,
        sqlstate: str | None = None,
        back: bool = False,
    ) -> None:
        reason = _bounded(reason)
        self.notes, self.sqlstate, self.back = dict(notes or {}), sqlstate, back
        self.applied, self.failed, self.pending, self.reason = tuple(applied), failed, tuple(pending), reason
        self.leftovers = tuple(leftovers)
        what, (done, not_done) = "Downgrade" if back else "Migration", stood(back=back)
        super().__init__(
            "\n".join(
                [
                    f"{what} stopped at revision {failed}: {reason}" if failed else f"{what} stopped: {reason}",
                    f"  {done:<12} {', '.join(self.applied) or 'none'}",
                    f"  {not_done:<12} {', '.join([*([failed] if failed else []), *self.pending]) or 'none'}",
                    *(f"  left behind  {leftover}" for leftover in self.leftovers),
                    *(f"  {name:<12} {note}" for name, note in self.notes.items()),
                ]
            )
        )

    def among(self, before: Sequence[str], after: Sequence[str]) -> MigrationFailedError:
        """Return the same failure of one history among several: what was applied before it, and what never began."""
        return MigrationFailedError(
            applied=(*before, *self.applied),
            failed=self.failed,
            pending=(*self.pending, *after),
            reason=self.reason,
            leftovers=self.leftovers,
            notes=self.notes,
            sqlstate=self.sqlstate,
            back=self.back,
        )


class TierNotProvenError(DbtasksError):
    """A tier is at head and does not pass what is asked of it besides. `applied` are the revisions that stand there."""

    def __init__(self, *, database: str, saw: str, lines: Sequence[str], applied: Sequence[str], instead: str) -> None:
        self.applied, self.saw = tuple(applied), saw
        super().__init__(
            "\n".join(
                [
                    f"{database} is at head and not proven: {saw}",
                    *(f"  {line}" for line in lines),
                    f"  {'applied':<12} {', '.join(self.applied) or 'none'}",
                    f"  {'next':<12} {instead}",
                ]
            )
        )


class MigrationHistoryError(UsageError):
    """The database is at revisions that the code does not have."""

    def __init__(self, unknown: Sequence[str]) -> None:
        self.unknown = tuple(unknown)
        plural = "s" if len(self.unknown) > 1 else ""
        super().__init__(
            f"the database is at revision{plural} {', '.join(self.unknown)}, which this code does not have. "
            "Check out the commit that has it, or a newer one."
        )
