"""Take one backup, as a process of its own: `python -m benchmarks.backups_take URL FOLDER ENGINE [sealed] [read]`.

Prints the megabytes of memory that it took at most.
"""

from __future__ import annotations

import resource
import sys
from datetime import timedelta
from pathlib import Path

from dbtasks.author import whoami
from dbtasks.backups import sealing, taking, verifying
from dbtasks.backups.engines import Errand, Source
from dbtasks.backups.local import Local
from dbtasks.backups.vault import Vault
from dbtasks.conninfo import parse
from dbtasks.database import Scratch
from dbtasks.tiers import BackupEngine, BackupPolicy, Colour, Consent, Loss, Tier


def main() -> None:
    url, folder, engine, *how = sys.argv[1:]
    target, place = parse(url, variable="URL"), Path(folder)
    policy = BackupPolicy(engine=BackupEngine(engine), age=timedelta(0))
    tier = Tier(
        name="stg",
        label="STG",
        colour=Colour.YELLOW,
        url_variable="url",
        may_lose=Loss.ASKED,
        consent=Consent.QUESTION,
        backup=policy,
    )
    sealed = "sealed" in how
    vault = Vault(
        store=Local(place / "vault"),
        recipients=sealing.recipients([str(place / "recipients")], place) if sealed else None,
        identities=sealing.identities(place / "identity", "IDENTITY") if sealed else None,
    )
    errand = Errand(who=whoami("script", place), entry=None, reason="to be measured")
    source = Source(project="bench", tier=tier, conninfo=target, version_tables=())
    made = taking.take(Scratch(target.with_database("postgres")), source, vault, errand)
    if "read" in how:
        verifying.readable(verifying.Look(vault=vault, manifest=made, errand=errand))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


if __name__ == "__main__":
    main()
