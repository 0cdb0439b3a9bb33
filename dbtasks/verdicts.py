"""What is asked of the guard, and what it answers."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from dbtasks.brought import Brought
from dbtasks.effects import Effect, Operation
from dbtasks.errors import RefusedError, Shown
from dbtasks.evidence import Situation
from dbtasks.surroundings import Surroundings
from dbtasks.tiers import Tier
from dbtasks.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a person, script or program asks for.

    `flag_on`: the tier's own flag is on in the real environment. `managed`: the way in is the tier's `runtime_url`.
    `read_only`: the plan is to be one that cannot write; the guard judges the plan's own effect.
    `before`: the tier before this one in the migration order.
    `brought`: an approved plan that is to be run, in place of a person who is asked.
    `places`: which four characters of the plan's hash a person is asked for, drawn anew for each request.
    """

    operation: Operation
    tier: Tier
    surroundings: Surroundings
    is_default: bool
    flag_on: bool = False
    dry_run: bool = False
    yes: bool = False
    read_only: bool = False
    managed: bool = False
    before: Tier | None = None
    brought: Brought | None = None
    places: tuple[int, ...] = (0, 1, 2, 3)

    @property
    def looks_only(self) -> bool:
        """Whether nothing but the catalogue is read, so that nothing can be lost or learned."""
        return self.dry_run or self.operation.catalogue_only

    def look(self, words: str) -> str:
        """Return the command that looks without touching, after these words; what `open` would open, `status` shows."""
        if self.operation.hands_out:
            return f"To see where it leads: invoke status --tier={self.tier.name}"
        return f"{words} invoke {self.operation.command} --tier={self.tier.name} --dry-run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proceed:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A prompt and the only text that answers it."""

    prompt: str
    expected: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Questions for a person. `yes_counts`: `--yes` may stand for the answers."""

    questions: tuple[Question, ...]
    yes_counts: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """No, with a stable code, what was seen, why that is refused, and the one safe command to run next.

    `shown` is what stands between them where sentences do not do.
    """

    code: str
    saw: str
    why: str = ""
    instead: str = ""
    shown: Shown | None = None

    def error(self) -> RefusedError:
        return RefusedError(code=self.code, saw=self.saw, why=self.why, instead=self.instead, shown=self.shown)


Decision = Proceed | Ask | Refuse


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What one rule of `decide` looks at."""

    request: Request
    situation: Situation
    database: str
    effect: Effect
    plan_hash: str


DecideRule = Callable[[Case], Refuse | Ask | None]


def refuse(code: str, saw: str, *, instead: str = "", more: str = "") -> Refuse:
    """Return the refusal of what was looked at; where nothing else helps, it names the task that looks closer."""
    look = "Look at what every tier resolves to: invoke check"
    return Refuse(code=code, saw=saw, why="Nothing was changed.", instead=(instead or look) + more)


def excerpt(digest: str, places: tuple[int, ...]) -> str:
    """Return the characters of a hash at these places.

    >>> excerpt("7f3a90", (0, 1, 2, 5))
    '7f30'
    """
    return "".join(digest[place % len(digest)] for place in places)


def draw_places() -> tuple[int, ...]:
    """Return four places drawn at random, so that no answer can be prepared before the plan is on the screen."""
    return tuple(secrets.randbelow(64) for _ in range(4))


def refuse_agent(request: Request) -> Refuse:
    return Refuse(
        code="E-AGENT",
        saw=f"This command was started by an AI agent ({request.surroundings.because}). Agents may plan; people apply.",
        why="To the agent: stop here and show the plan to the person you work for.",
        instead=request.look("The plan:") + probably_meant(request),
    )


def probably_meant(request: Request) -> str:
    """Return where sample rows belong that were to be put into a tier that is real, as a further sentence."""
    if not request.operation.seeds or request.operation.builds or request.before is None:
        return ""
    return f". Rows to develop with go into {request.before.label}: invoke seed --tier={request.before.name}"


def refuse_nobody(request: Request) -> Refuse:
    return Refuse(
        code="E-NO-PERSON",
        saw=f"Production access requested in non-interactive mode: {request.surroundings.because}.",
        why=f"{request.tier.label} needs a person who reads the plan and types the answer, or an approval of the plan.",
        instead=f"A person runs it at a terminal. {request.look('To see the plan here:')}{_to_approve(request)}"
        + probably_meant(request),
    )


def _to_approve(request: Request) -> str:
    return f". {to_approve(request)}" if request.operation.on_paper else ""


def to_approve(request: Request) -> str:
    """Return the command that has a plan approved by others."""
    return f"To have it approved: invoke plan {request.operation.name} --tier={request.tier.name} --out=plan.json"


def refuse_reloader(request: Request) -> Refuse:
    return Refuse(
        code="E-RELOADER",
        saw=f"{request.tier.label} was asked for inside a reloader or a worker process.",
        why="The question would come again at every reload and once per worker.",
        instead=f"Ask once, before the server starts: invoke run --tier={request.tier.name} -- <command>",
    )
