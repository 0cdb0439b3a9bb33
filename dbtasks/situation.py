"""What was seen of a live database, turned into the few enums that the guard's table is about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from dbtasks.evidence import (
    RECOVERED_NAME,
    Contents,
    Database,
    NameState,
    Proof,
    Replacing,
    Route,
    Server,
    ServerRole,
    Situation,
    Stamp,
    StampState,
    Use,
    own_stamp,
    own_stamps,
)
from dbtasks.proof import ProofReport
from dbtasks.tiers import Floor, Loss, Tier

# The one name that a managed cloud gives out and that cannot be renamed while people connect through it.
FIXED_NAMES = frozenset({"postgres", "defaultdb", "template0", "template1"})


def situate(
    tier: Tier,
    project: str,
    others: Iterable[Tier],
    seen: tuple[Server, Database | None, str],
    report: ProofReport | None = None,
) -> Situation:
    """Return what was seen, as enums. `seen` holds the server, the database if it exists, and its name.

    `report` is `None` where nothing need be proven.
    """
    server, database, name = seen
    stamp = own_stamp(server, database) if database else None
    floor = _in_force(stamp, tier) if stamp else _strictest(tier, database)
    return Situation(
        stamp=_stamp_state(tier, project, server, database),
        contents=_contents(database),
        name=_name_state(tier, others, name),
        server_role=_server_role(server),
        route=Route.POOLED if server.pooled else Route.DIRECT,
        use=_use(database),
        replacing=_replacing(server, database, name, floor),
        proof=report.state if report else Proof.NOT_NEEDED,
        floor=floor,
        stamped_as=stamp.tier if stamp else "",
        obstacles=(database.obstacles or ()) if database else (),
        lacking=database.lacking if database else (),
        proof_report=report,
        approvals_before=_approvals_before(stamp, database),
    )


def _in_force(stamp: Stamp, tier: Tier) -> Floor:
    # Who may sign is for the stamp alone to say: a file that anybody edits must not add to it.
    return replace(stamp.floor.stricter(tier.floor), signers_digest=stamp.floor.signers_digest)


def _approvals_before(stamp: Stamp | None, database: Database | None) -> int:
    there = (stamp,) if stamp else (database.stamps or ()) if database else ()
    return max((each.floor.approvals for each in there), default=0)


def _strictest(tier: Tier, database: Database | None) -> Floor:
    # A copy of a stamped database is treated as strictly as its origin until somebody adopts it.
    floor = tier.floor
    for stamp in (database.stamps or ()) if database else ():
        floor = stamp.floor.stricter(floor)
    return floor


def _stamp_state(tier: Tier, project: str, server: Server, database: Database | None) -> StampState:
    if database is None or database.stamps == ():
        return StampState.MISSING
    if database.stamps is None:
        return StampState.UNREADABLE
    own = own_stamps(server, database)
    if not own:
        return StampState.COPIED
    if len({(stamp.project, stamp.tier, stamp.floor) for stamp in own}) > 1:
        # Rows that contradict each other say nothing.
        return StampState.UNREADABLE
    stamp = own[0]
    if stamp.project != project:
        return StampState.OTHER_PROJECT
    if stamp.tier != tier.name:
        return StampState.OTHER_TIER
    return StampState.MATCHES if stamp.timeline == server.timeline else StampState.PROMOTED


def _server_role(server: Server) -> ServerRole:
    if server.cluster_name.startswith(RECOVERED_NAME):  # paused, it is a standby; promoted, a primary
        return ServerRole.RECOVERED
    return ServerRole.STANDBY if server.standby else ServerRole.PRIMARY


def _contents(database: Database | None) -> Contents:
    if database is None:
        return Contents.ABSENT
    return Contents.HOLDS if database.user_objects else Contents.EMPTY


def _name_state(tier: Tier, others: Iterable[Tier], name: str) -> NameState:
    if any(other.fits(name) for other in others if other.name != tier.name):
        return NameState.OTHER
    return NameState.FITS if tier.fits(name) else NameState.FREE


def _use(database: Database | None) -> Use:
    if database is None:
        return Use.LIVE
    if database.template and not database.passes:  # `harden` sets the flag, too: no such database can be dropped
        return Use.TEMPLATE
    if database.registered == "clone":
        return Use.CLONE
    # What a backup became beside the live one is held by its stamp, which is its source's, until somebody adopts it.
    return Use.LIVE if database.registered in (None, "live", "restored") else Use.NOT_LIVE


def _replacing(server: Server, database: Database | None, name: str, floor: Floor) -> Replacing:
    if name in FIXED_NAMES:
        return Replacing.FIXED_NAME
    if not (server.can_create and server.registers):
        without = Replacing.NO_REGISTRY if server.can_create else Replacing.NO_CREATEDB
        return without if database is None or floor.may_lose is Loss.NOTHING else _inside(database, without)
    return Replacing.POSSIBLE if database is None else _obstacle(database)


def _inside(database: Database, without: Replacing) -> Replacing:
    if database.obstacles is None:
        return without
    return Replacing.OBSTACLES if database.obstacles else Replacing.BY_SCHEMAS


def _obstacle(database: Database) -> Replacing:
    obstacles = (
        (not database.owned, Replacing.NOT_OWNER),
        (bool(database.logical_slots), Replacing.SLOTS),
        (bool(database.prepared), Replacing.PREPARED),
        (bool(database.unsettable), Replacing.SETTINGS),
    )
    return next((obstacle for there, obstacle in obstacles if there), Replacing.POSSIBLE)
