"""What the servers of a project's tiers know of its trail. Reads only; a tier whose flag is off is not asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing

import psycopg

from dbtasks.anchoring import anchor_of
from dbtasks.anchors import Anchor, Known, Replaced, read
from dbtasks.conninfo import Conninfo, mask
from dbtasks.database import look
from dbtasks.errors import DbtasksError, RefusedError, ServerUnreachableError
from dbtasks.guard import admit
from dbtasks.operations import status
from dbtasks.project import Project
from dbtasks.registry import COORDINATION
from dbtasks.selection import choose
from dbtasks.targets import resolve
from dbtasks.tiers import Tier
from dbtasks.trail_file import START
from dbtasks.trail_proof import chain_of
from dbtasks.values import dataclass
from dbtasks.verdicts import Refuse, Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One tier's. `with_target`: the anchors lie in the very database that they are to prove something about.

    `problem` is why there is none; empty where the server was asked.
    """

    tier: Tier
    known: Known = Known(hashes={})
    with_target: bool = False
    problem: str = ""


def ask(project: Project) -> Iterator[Answer]:
    """Yield what each tier's server answers."""
    wanted = anchor_of(project, START, chain_of(project.settings.trail))
    flags_on = choose(project.settings, None, project.environ).flags_on
    for tier in project.settings.tiers:
        request = Request(
            operation=status.OPERATION,
            tier=tier,
            surroundings=project.surroundings,
            is_default=tier.name == project.settings.default.name,
            flag_on=tier.flag in flags_on,
        )
        if isinstance(admit(request), Refuse):
            yield Answer(tier=tier, problem=f"not asked ({tier.flag} is not set)")
            continue
        try:
            yield _answer(project, tier, wanted)
        except RefusedError as error:
            yield Answer(tier=tier, problem=error.saw)
        except (DbtasksError, psycopg.Error) as error:
            yield Answer(tier=tier, problem=(mask(str(error)).strip().splitlines() or ["no answer"])[0])


def _answer(project: Project, tier: Tier, wanted: Anchor) -> Answer:
    target = resolve(project.settings, project.variables, tier, lambda _line: None, start=False)
    if target is None:
        return Answer(tier=tier, problem="embedded server, not started yet")
    try:
        beside = _read(target.conninfo.with_database(COORDINATION), wanted)
    except ServerUnreachableError:
        beside = Known(hashes={})  # there is none, or no server: the next connection tells
    if beside.hashes:
        return Answer(tier=tier, known=beside)
    try:
        inside = _read(target.conninfo, wanted)
    except ServerUnreachableError:
        if not beside.others:
            raise
        return Answer(tier=tier, known=beside)
    known = Known(hashes=inside.hashes, others=(*beside.others, *inside.others))
    return Answer(tier=tier, known=known, with_target=bool(inside.hashes))


def _read(conninfo: Conninfo, wanted: Anchor) -> Known:
    with closing(look(conninfo)) as connection:
        return read(connection, wanted)


def heads(answers: tuple[Answer, ...]) -> dict[int, str]:
    """Return the hashes that are known, by entry; none that two servers disagree about could be a trail's."""
    found: dict[int, str] = {}
    for answer in answers:
        for entry, known in answer.known.hashes.items():
            found[entry] = known if found.get(entry, known) == known else ""
    return found


def replaced(others: Iterable[Replaced]) -> tuple[Replaced, ...]:
    """Return the trails that stood in this one's place, each once and as far as it came, oldest first."""
    found: dict[str, Replaced] = {}
    for other in others:
        known = found.get(other.chain)
        if known is None or known.entry < other.entry:
            found[other.chain] = other
    return tuple(sorted(found.values(), key=lambda other: other.at))
