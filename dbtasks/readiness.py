"""Whether the default tier is fit for tests, and the operation that makes it so.

It goes the road of `invoke reset` and `invoke migrate`, guard and trail included; nothing is built beside that road.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import field
from typing import TYPE_CHECKING

from dbtasks import embedded
from dbtasks.console import Console
from dbtasks.effects import Operation
from dbtasks.embedded import locks
from dbtasks.errors import LockTimeoutError, RefusedError
from dbtasks.evidence import Contents, Replacing, StampState
from dbtasks.guard import Clearance
from dbtasks.operations import migrate, open_, reset, seed
from dbtasks.pipeline import Call, Report, carry_out
from dbtasks.project import Project
from dbtasks.selection import Choice
from dbtasks.survey import Survey, Wish, survey
from dbtasks.targets import resolve
from dbtasks.tiers import Consent, Embedded, Loss, Tier
from dbtasks.values import dataclass
from dbtasks.verdicts import Request

if TYPE_CHECKING:
    from collections.abc import Callable

_TRIES = 3
_PATIENCE_S = 300.0


# What the trail says of a process that makes databases for its tests.
PURPOSE = "clones for tests"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The default tier's way in, after the guard has let this process in. `url` holds its password."""

    label: str
    masked: str
    url: str = field(repr=False)
    report: Report = field(repr=False)
    clearance: Clearance = field(repr=False)


class Unheard(Console):
    """A console for what is told elsewhere."""

    def say(self, text: str) -> None:
        """Say nothing."""


def make_ready(project: Project, console: Console, purpose: str = "") -> Ready:
    """Return the way into the default tier, which is built or brought up to date where that is needed.

    Runs that need this at once do it one after another. Raises what the road raises.
    """
    if needed(project, console.say):
        with _alone(project):
            for _ in range(_TRIES):
                # Looked at again under the lock, and again when somebody on another machine was faster.
                if all(_done(project, operation, console) for operation in needed(project, console.say)):
                    break
    return let_in(project, purpose)


def let_in(project: Project, purpose: str = "") -> Ready:
    """Return the way into the default tier as it stands; the trail notes what for."""
    report = carry_out(project, _call(project, open_.OPERATION, purpose), Unheard())
    if report.clearance is None:  # never: only a dry run has none
        raise RuntimeError("opened without a clearance")
    return Ready(
        label=report.tier.label,
        masked=report.target.masked,
        url=report.target.conninfo.url(report.clearance),
        report=report,
        clearance=report.clearance,
    )


def is_at_hand(project: Project) -> bool:
    """Return whether the default tier has a server without starting one."""
    tier = project.settings.default
    if project.variables.get(tier.url_variable) is not None:
        return True
    if tier.embedded is Embedded.NEVER:
        return False
    server = embedded.look(project.settings.root, embedded.Kind(tier.embedded.value))
    return server is not None and server.running


def needed(project: Project, say: Callable[[str], None]) -> tuple[Operation, ...]:
    """Return the operations that make the default tier fit for tests, none where it is. Reads only."""
    tier = project.settings.default
    target = resolve(project.settings, project.variables, tier, lambda line: say(f"  {line}"))
    if target is None:  # never: it was started
        return (reset.OPERATION,)
    request = Request(operation=migrate.OPERATION, tier=tier, surroundings=project.surroundings, is_default=True)
    return remedy(survey(project, request, target, Wish()), tier)


def remedy(seen: Survey, tier: Tier) -> tuple[Operation, ...]:
    """Return the operations that turn what was seen into a database at the heads of this code."""
    situation, database, materials = seen.evidence.situation, seen.evidence.database, seen.materials
    if database is None:
        return (reset.OPERATION,)
    unstamped = situation.stamp is StampState.MISSING
    if situation.contents is not Contents.HOLDS and (unstamped or materials.pending):
        # A role that may not create databases fills the one that it was given.
        replaces = situation.replacing is Replacing.POSSIBLE
        return (reset.OPERATION,) if replaces else (migrate.OPERATION, seed.OPERATION)
    if situation.stamp is not StampState.MATCHES:
        return ()  # not ours to mend: whoever asks to be let in hears why not
    checksums = {revision.id: revision.checksum for revision in materials.revisions}
    edited = any(checksums.get(revision, checksum) != checksum for revision, checksum in database.ledger)
    foreign = not database.revisions <= checksums.keys()  # another branch's
    if _is_free(tier) and (edited or foreign or database.torn):
        return (reset.OPERATION,)
    # What may not be lost is a person's decision: the guard refuses to go on from another branch's revisions.
    return (migrate.OPERATION,) if materials.pending or foreign else ()


def _done(project: Project, operation: Operation, console: Console) -> bool:
    """Carry the operation out; False where somebody else changed the database meanwhile."""
    try:
        carry_out(project, _call(project, operation), console)
    except LockTimeoutError:
        return False
    except RefusedError as refused:
        if refused.code != "E-CHANGED":
            raise
        return False
    return True


def _call(project: Project, operation: Operation, purpose: str = "") -> Call:
    choice = Choice(tier=project.settings.default, source="default")
    return Call(operation=operation, choice=choice, wish=Wish(purpose=purpose))


def _is_free(tier: Tier) -> bool:
    return tier.may_lose is Loss.EVERYTHING and tier.consent is Consent.NONE


@contextmanager
def _alone(project: Project) -> Iterator[None]:
    """Wait for other test runs of this project that build. The database's own lock is what keeps them apart."""
    folder = project.settings.trail.parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locks.opened(folder / "pytest.lock") as descriptor:
        locks.acquire(descriptor, _PATIENCE_S)
        yield
