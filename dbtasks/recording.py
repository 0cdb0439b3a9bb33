"""Runs what was cleared and puts into the trail how it ended, whichever way: what went wrong, and what stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dbtasks.errors import DbtasksError, InterruptedByPersonError, RefusedError, TrailError
from dbtasks.migration_errors import MigrationFailedError
from dbtasks.site import Result
from dbtasks.trail import Outcome

Facts = dict[str, object]


def recorded(
    act: Callable[[], Result], facts: Mapping[str, object], ended: Callable[[Outcome, Facts], None], *, aside: bool
) -> Result:
    """Run and put the outcome into the trail. `facts` grow meanwhile; `aside`: a failure has left the target whole."""
    try:
        result = act()
    except TrailError:
        raise
    except BaseException as error:
        ended(*_ending(error, facts, aside=aside))
        raise
    outcome = Outcome.DONE if result.exit_code == 0 else Outcome.FAILED
    ended(outcome, result.facts | ({"exit_code": result.exit_code} if result.exit_code else {}))
    return result


def _ending(error: BaseException, facts: Mapping[str, object], *, aside: bool) -> tuple[Outcome, Facts]:
    """Return how it ended and what is said of it: revisions that were applied stand, whatever came after them."""
    stands = {} if aside else _stands(error, facts)
    partly = Outcome.PARTIAL if stands else Outcome.FAILED
    match error:
        case KeyboardInterrupt() | InterruptedByPersonError():
            return Outcome.INTERRUPTED, stands
        case MigrationFailedError():
            word = "taken_back" if error.back else "applied"
            return partly, {word: list(error.applied), "error": str(error)}
        case RefusedError():
            return Outcome.FAILED, {"code": error.code, "error": error.saw, **stands}
        case _:
            return partly, {"error": str(error) or type(error).__name__, **stands}


def _stands(error: BaseException, facts: Mapping[str, object]) -> Facts:
    if isinstance(error, DbtasksError) and error.applied:
        return {"taken_back" if error.back else "applied": list(error.applied)}
    return {word: facts[word] for word in ("applied", "taken_back") if facts.get(word)}
