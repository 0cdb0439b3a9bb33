"""Whether what is done is written down: an entry is added now, and the whole chain behind it verified."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.errors import TrailError
from dbtasks.probes.ground import Ground, first_line
from dbtasks.safety import About, Finding, failed, passed, unknown
from dbtasks.trail import Act, Trail
from dbtasks.trail_proof import verify

ABOUT = About(
    name="audit_logging",
    promise="every operation leaves an entry in a chain that shows when it was edited",
    critical=True,
)
OPERATION = "score"


def look(ground: Ground) -> Iterator[Finding]:
    """Yield whether the trail takes an entry, and whether nothing between the first and the last was changed."""
    settings, who = ground.project.settings, ground.project.who
    before = verify(settings.trail)
    if not before.ok:
        yield failed(f"the trail is broken at line {before.bad_line}: {before.why}", "invoke audit --verify")
        return
    try:
        number = Trail(settings.trail, who).note(Act(operation=OPERATION), {"probe": ABOUT.name})
    except TrailError as error:
        yield failed(first_line(error), "Make the trail writable, then: invoke audit --verify")
        return
    after = verify(settings.trail)
    if not (after.ok and after.last >= number > before.last):
        yield failed(f"entry {number} was written and is not in the chain", "invoke audit --verify")
    elif before.count == 0:
        yield unknown("the trail holds nothing older than this look: nothing was done yet, or it was taken away")
    else:
        yield passed(f"entry {number} was added, and the chain of {after.count} entries holds")
