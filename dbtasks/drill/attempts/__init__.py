"""The attempts, in families: what is forbidden first, then the same where it is allowed. The order counts.

A family may lean on what those before it have left; the last one takes PROD away.
"""

from __future__ import annotations

from dbtasks.drill.attempts.consent import CONSENT
from dbtasks.drill.attempts.hardened import DROPPED, HARDENED
from dbtasks.drill.attempts.killed import KILLED
from dbtasks.drill.attempts.limiting import LIMITING
from dbtasks.drill.attempts.papers import PAPERS
from dbtasks.drill.attempts.places import PLACES
from dbtasks.drill.attempts.promoting import CHANGED, EDITED, SKIPPED
from dbtasks.drill.attempts.reaching import REACHING
from dbtasks.drill.attempts.trails import TRAILS
from dbtasks.drill.attempts.ways_back import ARCHIVE, BACKUPS, CEILING, KEYS
from dbtasks.drill.judging import Family

FAMILIES: tuple[Family, ...] = (
    CONSENT, PLACES, REACHING, PAPERS, CHANGED, LIMITING, TRAILS, KILLED, SKIPPED, EDITED, KEYS, CEILING, BACKUPS,
    ARCHIVE, HARDENED, DROPPED,
)  # fmt: skip
