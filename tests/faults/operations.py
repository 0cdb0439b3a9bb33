"""What is killed: each command in each of its ways, from which state, and how to tell what came of it."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.faults import approved, pending, states, ways_back
from tests.faults.ground import NAMES, Ground
from tests.faults.states import REVISIONS, Stocked, two_to_swap, unseeded
from tests.server.road import FILES


def _nothing(_ground: Ground) -> None:
    """There is nothing to do."""


def _no_more(_ground: Ground) -> list[str]:
    return []


class Sort(enum.Enum):
    """How what came of a kill is looked at: `WHOLE` is old or new, whatever else holds of the others."""

    WHOLE = enum.auto()
    STEPS = enum.auto()
    GUARDS = enum.auto()
    ONCE = enum.auto()
    RATIONED = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One command in one of its ways.

    `ready` is done once on a ground, `arrange` before each run: it makes the state that is called old; `last` comes
    right before the command. `says` is what only this way of it prints. `done` tells whether the command's own result
    is there (`None`: a part of it), for commands that leave the tier's database as it is, and `left` what it has left
    over, of which nothing may be there once it was run again; `again` is done before that. `toggles`: once more takes
    it back. `sort`: how it is looked at; `down`: revisions are taken back. `tries`:
    something is built on the private server first, to be looked at. `until` ends the points that are tried, and `every`
    how many of them are passed over, where other operations have the same; of points with the pattern `alike` one in a
    hundred is tried.
    `inside`: schemas are replaced inside of a database where none can be created.
    """

    name: str
    words: str
    tier: str = "int"
    ready: Callable[[Ground], None] = _nothing
    arrange: Callable[[Ground], None]
    last: Callable[[Ground], None] = _nothing
    says: str
    done: Callable[[Ground], bool | None] | None = None
    left: Callable[[Ground], list[str]] = _no_more
    again: Callable[[Ground], None] = _nothing
    toggles: bool = False
    inside: bool = False
    sort: Sort = Sort.WHOLE
    down: bool = False
    tries: bool = False
    until: str = ""
    every: int = 1
    alike: str = ""
    servers: bool = True
    moments: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def outcomes(self) -> tuple[str, ...]:
        """Which must occur where the command is killed; before its first statement it has changed nothing."""
        between = ("part",) if self.sort in (Sort.STEPS, Sort.GUARDS) else ()
        return ("old",) if self.until else ("old", "new", *between)

    @property
    def target(self) -> str:
        return states.INSIDE if self.inside else NAMES[self.tier]

    @property
    def home(self) -> str:
        """Whose server has the registry and what is built aside."""
        return "int" if self.inside else self.tier

    def begin(self, ground: Ground) -> None:
        """Write the project as the operation wants it, and get its ground ready."""
        for path in (ground.root / "migrations" / "versions").glob("r*.py"):
            path.unlink()
        ground.project.write(revisions=REVISIONS, files=FILES | dict(self.files))
        for old, new in ({"most: 0 databases": "most: 8 databases"} | dict(self.settings)).items():
            ground.project.edit("config/tiers.yaml", old, new)
        if self.inside:
            states.begin_inside(ground)
        else:
            states.begin(ground, "stg" if self.tier == "prod" else self.tier)
        self.ready(ground)


def _stocked(name: str, says: str, words: str, stock: Stocked, **more: object) -> Operation:
    return Operation(
        name=name,
        says=says,
        words=words,
        tier=stock.tier,
        ready=stock.ready,
        arrange=stock.arrange,
        **more,  # type: ignore[arg-type]  # what the operation takes besides
    )


def _accepted(ground: Ground) -> bool:
    return ground.sql("stg", "SELECT 1 FROM dbtasks.drift WHERE reason = 'meant'", database=NAMES["stg"]) != []


def _spare(ground: Ground) -> bool:
    return any(row.kind == "spare" for row in ground.registry("int"))


def _pruned(ground: Ground) -> bool | None:
    names = {states.more_name("stg", "retired", number) for number in range(3)}
    left = len(names & ground.databases("stg").keys())
    return None if 0 < left < len(names) else not left


_STG = "--tier=stg --yes"


def _resets() -> tuple[Operation, ...]:
    return (
        Operation(name="reset, the first one", says="migrate   3 revisions", words="reset", arrange=states.no_database),
        Operation(
            name="reset, nothing in stock",
            says="migrate   3 revisions",
            words="reset",
            arrange=states.nothing_in_stock,
            moments=True,
        ),
        _stocked("reset, an ancestor's template", "migrate   1 revision to r4", "reset", Stocked(newer=True)),
        _stocked("reset, a template", "build     cache", "reset", Stocked(more={"retired": 2}), moments=True),
        _stocked("reset, a spare", "from      cache", "reset", Stocked(spare=True), moments=True),
        _stocked(
            "reset, a spare, with clients",
            "from      cache",
            "reset",
            Stocked(spare=True),
            last=lambda it: it.connect_clients("int"),
        ),
        _stocked(
            "reset, the server down",
            "from      cache",
            "reset",
            Stocked(spare=True),
            last=lambda it: it.stop("int"),
            until=" sql ",
            servers=False,
        ),
        _stocked(
            "reset, then prepare behind it",
            "from      cache",
            "reset",
            Stocked(spare=True),
            settings={"by_hand: true": "by_hand: false"},
            every=4,
            servers=False,
        ),
        _stocked("reset of STG, a template", "build     cache", f"reset {_STG}", Stocked("stg")),
        _stocked("reset of STG, a spare", "from      cache", f"reset {_STG}", Stocked("stg", spare=True)),
        Operation(
            name="reset, inside a database",
            says="swap      replaced public",
            words="reset",
            tier="stg",
            arrange=states.edit_inside,
            inside=True,
        ),
    )


def _others() -> tuple[Operation, ...]:
    full, ended = Stocked(more={"template": 2}), Stocked("stg", more={"retired": 3})
    small = {"most: 0 databases": "most: 3 databases"}
    return (
        Operation(
            name="prepare, nothing in stock",
            says="migrate   3 revisions",
            words="prepare",
            arrange=states.nothing_in_stock,
            done=_spare,
        ),
        _stocked("prepare, a full stock", "room      dropped", "prepare", full, done=_spare, settings=small),
        Operation(name="seed", says="rows 3 added", words="seed", arrange=unseeded("int"), moments=True),
        Operation(
            name="seed, by COPY",
            says="rows 601 added",
            words="seed",
            arrange=unseeded("int"),
            files=states.LARGE,
        ),
        Operation(
            name="seed of STG",
            says="rows 3 added",
            words="seed --tier=stg",
            tier="stg",
            arrange=unseeded("stg"),
        ),
        Operation(
            name="undo",
            says="brought back",
            words="undo",
            arrange=two_to_swap("int", newer=True),
            toggles=True,
            moments=True,
        ),
        Operation(
            name="undo of STG",
            says="brought back",
            words=f"undo {_STG}",
            tier="stg",
            arrange=two_to_swap("stg", newer=True),
            toggles=True,
        ),
        Operation(
            name="undo of STG's undo",
            says="brought back",
            words=f"undo {_STG}",
            tier="stg",
            arrange=two_to_swap("stg", newer=False),
            toggles=True,
        ),
        Operation(
            name="undo, inside a database",
            says="brought back public",
            words="undo",
            tier="stg",
            arrange=states.two_inside,
            inside=True,
            toggles=True,
        ),
        _stocked("prune of STG", "dropped dbtasks_small_stg_retired0", f"prune {_STG}", ended, done=_pruned),
    )


def _ways_back() -> tuple[Operation, ...]:
    return (
        Operation(
            name="restore of STG",
            says="as they were counted",
            words=f"restore {_STG}",
            tier="stg",
            ready=ways_back.backed_up,
            arrange=ways_back.before_a_restore,
        ),
        Operation(
            name="restore beside STG",
            says="no command takes for [STG] until adopted",
            words=f"restore --tier=stg --into={ways_back.BESIDE}",
            tier="stg",
            ready=ways_back.backed_up,
            arrange=ways_back.nothing_beside,
            done=ways_back.is_beside,
            again=ways_back.nothing_beside,
        ),
        Operation(
            name="restore of tables of STG",
            says="copy      from",
            words=f"restore {_STG} --table=people,lessons",
            tier="stg",
            ready=ways_back.backed_up,
            arrange=ways_back.before_a_restore,
        ),
        Operation(
            name="backup of STG",
            says="readable",
            words="backup --tier=stg",
            tier="stg",
            arrange=ways_back.no_backup,
            done=ways_back.has_backup,
            left=ways_back.unfinished,
            servers=False,
        ),
        Operation(
            name="recover of STG",
            says="differs   people",
            words="recover --tier=stg --before={entry}",
            tier="stg",
            ready=ways_back.marked,
            arrange=ways_back.nothing_recovered,
            done=ways_back.is_recovered,
            left=ways_back.half_recovered,
            alike="/recovered/[^/]*/data/",
        ),
    )


def _migrations() -> tuple[Operation, ...]:
    return (
        Operation(
            name="migrate",
            says="migrate   3 revisions to r6",
            words="migrate",
            ready=pending.ready(),
            arrange=pending.waiting("int"),
            sort=Sort.STEPS,
            moments=True,
        ),
        Operation(
            name="migrate of STG",
            says="migrate   3 revisions to r6",
            words=f"migrate {_STG}",
            tier="stg",
            ready=pending.ready("int"),
            arrange=pending.waiting("stg"),
            sort=Sort.STEPS,
            tries=True,
            every=4,
            servers=False,
        ),
        Operation(
            name="downgrade",
            says="downgrade 3 revisions taken back, down to r3",
            words="downgrade --to=r3",
            ready=pending.ready("int"),
            arrange=pending.there("int"),
            sort=Sort.STEPS,
            down=True,
        ),
        Operation(
            name="drift of STG, accepted",
            says="accept    1 difference: meant",
            words="drift --tier=stg --accept --reason=meant",
            tier="stg",
            arrange=states.drifted,
            done=_accepted,
            tries=True,
        ),
    )


_HARDEN = "harden: {people: [app], statement_timeout: 2 minutes, connections_each: 3 connections}"
_GUARDS = {"    embedded: durable\n": f"    embedded: durable\n    {_HARDEN}\n"}
_LIMITS = {"    embedded: throwaway\n": "    embedded: throwaway\n    limits: {runs: [seed 1 time in 1 day]}\n"}


def _access() -> tuple[Operation, ...]:
    return (
        Operation(
            name="apply of a plan on PROD",
            says="rows 1 added",
            words="apply plan.json",
            tier="prod",
            ready=approved.deploy,
            arrange=approved.approved,
            sort=Sort.ONCE,
        ),
        Operation(
            name="seed, the last that is allowed",
            says="rows 3 added",
            words="seed",
            arrange=approved.limited,
            sort=Sort.RATIONED,
            settings=_LIMITS,
        ),
        Operation(
            name="harden of STG",
            says="measures taken",
            words=states.GUARD,
            tier="stg",
            ready=states.with_rights,
            arrange=states.bare,
            sort=Sort.GUARDS,
            settings=_GUARDS,
        ),
        Operation(
            name="harden of STG, undone",
            says="no guards stand any more",
            words=states.LIFT,
            tier="stg",
            ready=states.with_rights,
            arrange=states.guarded,
            sort=Sort.GUARDS,
            settings=_GUARDS,
        ),
    )


def operations() -> tuple[Operation, ...]:
    """Return what is tried, each with a state of its own."""
    return (*_resets(), *_others(), *_ways_back(), *_migrations(), *_access())
