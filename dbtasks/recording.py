"""Runs what was cleared and puts into the trail how it ended, whichever way that is."""

from __future__ import annotations

from collections.abc import Callable

from dbtasks.errors import (
    InterruptedByPersonError,
    MigrationFailedError,
    RefusedError,
    TierNotProvenError,
    TrailError,
)
from dbtasks.site import Result
from dbtasks.trail import Outcome


def recorded(act: Callable[[], Result], ended: Callable[[Outcome, dict[str, object]], None], *, aside: bool) -> Result:
    """Run and put the outcome into the trail, whichever way it ends. `aside`: a failure has left the target whole."""
    try:
        result = act()
    except (KeyboardInterrupt, InterruptedByPersonError):
        ended(Outcome.INTERRUPTED, {})
        raise
    except TrailError:
        raise
    except MigrationFailedError as error:
        partial = bool(error.applied) and not aside
        stands = {"taken_back" if error.back else "applied": list(error.applied)}
        ended(Outcome.PARTIAL if partial else Outcome.FAILED, {**stands, "error": str(error)})
        raise
    except TierNotProvenError as error:
        ended(
            Outcome.PARTIAL if error.applied else Outcome.FAILED, {"applied": list(error.applied), "error": str(error)}
        )
        raise
    except RefusedError as error:
        ended(Outcome.FAILED, {"code": error.code, "error": error.saw})
        raise
    except BaseException as error:
        ended(Outcome.FAILED, {"error": str(error) or type(error).__name__})
        raise
    outcome = Outcome.DONE if result.exit_code == 0 else Outcome.FAILED
    ended(outcome, result.facts | ({"exit_code": result.exit_code} if result.exit_code else {}))
    return result
