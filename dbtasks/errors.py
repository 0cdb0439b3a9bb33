"""The exceptions of dbtasks: one base, the exit code on the class, the sentence made from objects.

Those of a run of migrations are in `migration_errors`.

Exit codes are API: 1 failed while running, 2 usage or configuration, 3 refused by the guard,
4 consent asked and not given, 130 interrupted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from dbtasks.values import dataclass


class DbtasksError(Exception):
    """What a user can be told in a sentence. Anything else that escapes is a bug.

    It comes through a pipe whole, whatever its class is made from: a pool of processes whose child raises what cannot
    be read again waits for ever. `applied` are the revisions of a migration that stand nevertheless.
    """

    exit_code = 1
    before: tuple[Mapping[str, object], ...] = ()  # what a walk through the tiers did until then, one a tier
    applied: tuple[str, ...] = ()
    back: bool = False  # what is applied was taken back

    def as_data(self) -> dict[str, object]:
        """Return the error for `--format=json`; whoever writes it masks the message."""
        return {"code": type(self).__name__, "exit_code": self.exit_code, "message": str(self)}

    def __reduce__(self) -> tuple[Any, ...]:
        return _as_it_was, (type(self), self.args), self.__dict__


def _as_it_was(kind: type[DbtasksError], args: tuple[Any, ...]) -> DbtasksError:
    """Return an error without its own `__init__`, which wants the objects that the sentence was made from."""
    error = kind.__new__(kind, *args)
    super(DbtasksError, error).__init__(*args)
    return error


class UsageError(DbtasksError):
    """The command line asks for something that does not exist or contradicts itself."""

    exit_code = 2


class ConninfoError(UsageError):
    """A connection string cannot be used; the text never quotes any part of its password."""


class UrlNotConfiguredError(UsageError):
    """A tier is wanted whose URL variable is unset."""

    def __init__(self, label: str, variable: str, where: str = "the environment or in .env") -> None:
        self.label, self.variable = label, variable
        super().__init__(f"{label} database URL not configured. Set {variable} in {where}, then run: invoke check")


class CredentialError(DbtasksError):
    """A tier's own command did not tell its password."""

    def __init__(self, label: str, problem: str) -> None:
        super().__init__(f"[{label}] got no password from its credential command: {problem}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One mistake in a file: where, what was expected and found, what to do.

    >>> str(Mistake(file="config/tiers.yaml", line=14, column=11, path="tiers.stg.port", text="expected a number"))
    'config/tiers.yaml:14:11: tiers.stg.port: expected a number'
    >>> str(Mistake(file=".env", line=3, text="stg_database_url is set twice"))
    '.env:3: stg_database_url is set twice'
    """

    file: str
    text: str
    line: int | None = None
    column: int | None = None
    path: str | None = None

    def __str__(self) -> str:
        where = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        return ": ".join(part for part in (where, self.path, self.text) if part)


class SettingsError(UsageError):
    """Everything that is wrong with the configuration, at once."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        count = f"{len(self.mistakes)} mistake{'s' if len(self.mistakes) != 1 else ''}. Nothing was contacted."
        super().__init__("\n".join([*(str(mistake) for mistake in self.mistakes), count]))


class Shown(Protocol):
    """What a refusal shows besides its sentences: lines for people, and data by its name for scripts."""

    @property
    def name(self) -> str: ...

    def lines(self) -> Sequence[str]: ...

    def as_data(self) -> Mapping[str, object]: ...


class RefusedError(DbtasksError):
    """The guard said no. `code` is stable (E-...), `saw` and `why` explain, `instead` is the safe next command."""

    exit_code = 3

    def __init__(self, *, code: str, saw: str, why: str = "", instead: str = "", shown: Shown | None = None) -> None:
        self.code, self.saw, self.why, self.instead, self.shown = code, saw, why, instead, shown
        lines = [saw, why, *(shown.lines() if shown else ()), instead]
        super().__init__(f"refused ({code})\n" + "\n".join(f"  {line}" for line in lines if line))

    def as_data(self) -> dict[str, object]:
        more = {self.shown.name: self.shown.as_data()} if self.shown else {}
        return {**super().as_data(), "code": self.code, **more}


class UnheldDriverError(RefusedError, ImportError):
    """A test process imports a PostgreSQL driver that cannot be held; whoever has another one may go on with that."""


class PlanChangedError(RefusedError):
    """Under the lock the plan was not any more the one that was cleared. Nothing was changed."""

    def __init__(self, *, before: str, now: str) -> None:
        super().__init__(
            code="E-CHANGED",
            saw=f"The target changed between the plan and the first write (plan {before[:4]} is now {now[:4]}).",
            why="What was agreed to is not what would run. Nothing was changed.",
            instead="Run the command again to see the new plan.",
        )


class ConsentNotGivenError(DbtasksError):
    """A question was asked and not answered as it must be. Nothing was changed."""

    exit_code = 4


class InterruptedByPersonError(DbtasksError):
    """Ctrl-C."""

    exit_code = 130


class TiersNotReadyError(UsageError):
    """What `validate` found, a line for each tier that an application could not use."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join([*self.lines, "To see every tier: invoke check"]))


class ServerUnreachableError(DbtasksError):
    """No connection could be made to a tier's server."""


class ServerFailedError(DbtasksError):
    """The server could not do what a step asked of it, or went away meanwhile."""


class ClonesImpossibleError(DbtasksError):
    """The server gives no right to make databases for tests. `reason` says why, `instead` what its owner can do."""

    def __init__(self, label: str, reason: str, instead: str) -> None:
        self.label, self.reason, self.instead = label, reason, instead
        super().__init__(f"[{label}] no database can be made for tests: {reason}. {instead}")


class TransactionEndedError(DbtasksError):
    """A test's code ended by SQL the transaction that was to be rolled back after it."""

    def __init__(self) -> None:
        super().__init__(
            "The code under test ended this test's transaction by SQL, COMMIT or ROLLBACK. Let it call commit() and "
            "rollback() of its driver, or give the test a database of its own: the fixture fresh_database"
        )


class LockTimeoutError(DbtasksError):
    """Somebody else holds the lock; the text names the holder where the server tells."""


class TrailError(DbtasksError):
    """The audit trail cannot be written or read, so nothing happens."""


class EmbeddedServerError(DbtasksError):
    """The private PostgreSQL could not be installed, started or stopped."""


class NoMarkError(DbtasksError):
    """The server takes no recovery mark. Nothing was changed."""


class RecoveryFailedError(DbtasksError):
    """No recovered server came up, or no base backup could be made. The live server was not touched."""


class ProgramNotFoundError(UsageError):
    """A client program of PostgreSQL is wanted and none that fits is installed."""


class SchemaNotCurrentError(DbtasksError):
    """An application's database is not at the heads of its code. `pending` is `None` where that cannot be told."""

    def __init__(
        self,
        *,
        database: str,
        tier: str,
        found: Sequence[str],
        expected: Sequence[str],
        unknown: Sequence[str] = (),
        pending: int | None = None,
    ) -> None:
        self.database, self.tier, self.pending = database, tier, pending
        self.found, self.expected, self.unknown = tuple(found), tuple(expected), tuple(unknown)
        at = f"at revision {', '.join(self.found)}" if self.found else "at no revision"
        lacks = f" ({pending} pending)" if pending else ""
        text = f"The database {database} is {at}, and this code expects {', '.join(self.expected) or 'none'}{lacks}."
        do = f"invoke migrate --tier={tier}" if tier else "invoke status, then invoke migrate"
        instead = f"  Bring it up to date before the application starts: {do}"
        if self.unknown:
            lacking = ", ".join(self.unknown)
            instead = (
                f"  This code does not have {lacking}: an older one, or another branch's. Deploy the code that has it."
            )
        super().__init__(f"{text}\n{instead}")


class BackupError(DbtasksError):
    """A backup could not be taken, stored or brought back; the database that it is of is as it was."""


class DamagedBackupError(BackupError):
    """A backup is not what was written: its bytes, its manifest or its key do not fit."""

    def __init__(self, id_: str, why: str) -> None:
        self.id, self.why = id_, why
        super().__init__(f"The backup {id_} cannot be used: {why}.")


class SeedError(DbtasksError):
    """Seed data cannot be loaded; each mistake names file, line and column."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))
