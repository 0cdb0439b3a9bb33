"""A recovery: a server beside the live one that stands at its goal, paused, or a reason why there is none."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from dbtasks import wal
from dbtasks.base_backups import BaseBackup
from dbtasks.embedded import locks, places
from dbtasks.embedded.account import Account, choose_account
from dbtasks.errors import EmbeddedServerError, RecoveryFailedError
from dbtasks.programs import Programs, find_server_programs
from dbtasks.recovery import fetching, goals, rooms, server, unpacking
from dbtasks.recovery.engines import Engine
from dbtasks.recovery.goals import AtName, AtPosition, AtTime, BeforeMark, Goal
from dbtasks.recovery.judging import KILLED, UNREACHED, Judgement
from dbtasks.recovery.rooms import Recovered, Room
from dbtasks.recovery.server import Setup, Standing
from dbtasks.values import dataclass

_TRIES = 4
# The end of a record may lie a page's header before the place where the next one begins.
_HEADERS_BYTES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to recover.

    `at_least` are the live server's settings (`source.settings_of`), where it can be asked, and `superuser` is its own,
    for base backups that do not say who was theirs.
    """

    root: Path
    engine: Engine
    system_identifier: int
    goal: Goal
    at_least: Mapping[str, str]
    superuser: str = ""


def recover(request: Request, report: Callable[[str], None]) -> Recovered:
    """Return the recovered server, which runs on until `rooms.drop`. Touches nothing of the live one.

    RecoveryFailedError says why there is none; then nothing of it is left. A damaged base backup, or one that turns out
    to be too new, is passed over for the one before it.
    """
    account = choose_account()
    rooms.sweep(request.root, account)
    bases = _bases(request)
    programs = places.reachable(find_server_programs(bases[0].origin.major), account, report)
    for base in bases:
        try:
            with rooms.opened(request.root, account) as room:
                made = _made(request, base, (room, programs, account), report)
                if made is not None:
                    return made
        except unpacking.DamagedBaseError as damaged:
            if base is bases[-1]:
                raise
            report(f"{damaged} Going on with the one before it.")
        except RecoveryFailedError:
            # Where a name lies in the log is not known: perhaps before this base backup.
            if base is bases[-1] or not isinstance(request.goal, AtName):
                raise
        except (OSError, EmbeddedServerError) as error:
            raise RecoveryFailedError(f"The recovered server could not be set up: {error}.") from error
    raise RecoveryFailedError(f"No base backup is old enough to reach {goals.told(request.goal)} from.")


def _made(
    request: Request,
    base: BaseBackup,
    means: tuple[Room, Programs, Account],
    report: Callable[[str], None],
) -> Recovered | None:
    """Return the server that stands at its goal; `None` where the base backup is too new for it."""
    room, programs, account = means
    begun = time.monotonic()
    unpacking.check_room(base, room.folder)
    report(f"unpacking the base backup {base.id} ({base.size_bytes >> 20} MB)")
    request.engine.bases.lay_out(base, room.data, account, locks.inherited(room.working))
    at_least = dict(request.at_least)
    for _ in range(_TRIES):
        setup = Setup(
            room=room,
            base=base,
            goal=request.goal,
            fetching=request.engine.fetching(),
            programs=programs,
            account=account,
            at_least=at_least,
        )
        port = server.prepare(setup)
        draft = _recovered(request, setup, port)
        standing = server.await_goal(setup, draft.conninfo("postgres"), server.launch(setup), report)
        if isinstance(standing, Standing):
            server.let_go(setup, draft.conninfo("postgres"), report)
            return _kept(setup, draft, standing, time.monotonic() - begun)
        if standing.too_low:  # the live server was given more since the base backup
            at_least |= dict(standing.too_low)
            rooms.stop(room)
            continue
        if standing.too_early:
            return None
        raise _failure(request, setup, standing)
    raise RecoveryFailedError("The recovered server asks for ever larger settings.")


def _kept(setup: Setup, draft: Recovered, standing: Standing, seconds: float) -> Recovered:
    goal = setup.goal
    wanted = goal.mark.lsn if isinstance(goal, BeforeMark) else None
    if wanted is not None and not wanted - _HEADERS_BYTES <= standing.lsn <= wanted:
        raise RecoveryFailedError(
            f"The recovered server stands at {wal.shown(standing.lsn)} instead of {wal.shown(wanted)}. It is removed."
        )
    told = standing.judgement
    recovered = Recovered(
        id=draft.id,
        folder=draft.folder,
        socket=draft.socket,
        port=draft.port,
        superuser=draft.superuser,
        goal=draft.goal,
        base=draft.base,
        lsn=wal.shown(standing.lsn),
        stopped=told.stopped or "",
        restored=told.restored,
        seconds=seconds,
    )
    rooms.keep(setup.room, recovered)
    return recovered


def _recovered(request: Request, setup: Setup, port: int) -> Recovered:
    return Recovered(
        id=setup.room.id,
        folder=setup.room.folder,
        socket=setup.room.socket,
        port=port,
        superuser=setup.base.origin.superuser or request.superuser,
        goal=goals.told(request.goal),
        base=setup.base.id,
        lsn="",
        stopped="",
        restored=0,
        seconds=0.0,
    )


def _failure(request: Request, setup: Setup, told: Judgement) -> RecoveryFailedError:
    said = fetching.said(setup.room.folder) if told.failed in (UNREACHED, KILLED) else ""
    return RecoveryFailedError(
        f"No server could be recovered to {goals.told(request.goal)} from the base backup {setup.base.id}: "
        f"{told.failed}{f' ({said})' if said else ''}.{_lacking(request, setup)} "
        "Nothing of it is left, and the live server was not touched."
    )


def _lacking(request: Request, setup: Setup) -> str:
    names, first = request.engine.names(), server.known(setup.base)
    if names is not None and not names:
        return " There is nothing in the archive: it is away, or the server has archived nothing yet."
    gone = server.lacking(setup)
    if names and first not in names:
        gone = (first, *gone)  # by which it is told whether the archive can be reached at all
    return f" The archive lacks {', '.join(gone[:3])}." if gone else ""


def _bases(request: Request) -> list[BaseBackup]:
    """Return the base backups to begin from, the best one first."""
    every = request.engine.bases.kept()
    own = [each for each in every if each.origin.system_identifier == request.system_identifier]
    goal = request.goal
    if not own:
        raise RecoveryFailedError(
            f"There is no base backup of this server in {request.engine.bases.shown}. They lie where marks are made: "
            "run this on that machine and in that folder, or let both name one place in the tier's recovery settings."
        )
    match goal:
        case BeforeMark(mark=mark):
            own = [each for each in own if each.origin.end <= mark.lsn and each.origin.timeline == mark.timeline]
        case AtPosition(lsn=lsn):
            own = [each for each in own if each.origin.end <= lsn]
        case AtTime(at=at):
            own = [each for each in own if each.taken_at <= at]
        case _:
            pass
    if not own:
        raise RecoveryFailedError(
            f"There is no base backup in {request.engine.bases.shown} from which {goals.told(goal)} could be reached."
        )
    return sorted(own, key=lambda each: each.origin.end, reverse=True)
