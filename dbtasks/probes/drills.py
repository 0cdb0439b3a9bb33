"""What the last drill says of something that takes too long to be tried each time. Shared by the probes that ask it."""

from __future__ import annotations

from datetime import timedelta

from dbtasks.probes.ground import Ground
from dbtasks.safety import Finding, failed, passed, unknown

# A drill counts for a week, and for these very bytes of dbtasks.
EXPIRES = timedelta(days=7)
_RUN = "invoke drill"


def stopped(ground: Ground, name: str) -> Finding:
    """Return whether the last drill tried what the probe of that name is about, and whether all of it was stopped."""
    drill = ground.drill
    if drill is None:
        return unknown("what takes longer to try was never drilled here", _RUN)
    when = f"{drill.at.astimezone():%d %b %H:%M}"
    if drill.code != ground.code:
        return unknown(f"the drill of {when} was run by another dbtasks than this one", _RUN)
    if not ground.now - EXPIRES <= drill.at <= ground.now + timedelta(minutes=5):
        return unknown(f"the drill of {when} is older than {EXPIRES.days} days, or not of the past", _RUN)
    tried = [each for each in drill.tried if each.id.partition(".")[0] == name]
    through = next((each for each in tried if not (each.stopped or each.unproven)), None)
    if through is not None:
        return failed(f"in the drill of {when}, {through.id} was not stopped as it should be", _RUN)
    doubtful = next((each.id for each in tried if each.unproven), "it" if not tried else "")
    if doubtful:
        return unknown(f"the drill of {when} did not show what stops {doubtful}", _RUN)
    return passed(f"all {len(tried)} attempts in the drill of {when} were stopped")
