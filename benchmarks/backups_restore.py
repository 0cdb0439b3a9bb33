"""Make a database of the newest backup, as a process of its own: `python -m benchmarks.backups_restore URL FOLDER`."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

from dbtasks.backups import listing, restoring, verifying
from dbtasks.backups.engines import Beside
from dbtasks.backups.local import Local
from dbtasks.backups.vault import Vault
from dbtasks.conninfo import parse
from dbtasks.database import Scratch, open_to_write
from dbtasks.registry import Registry, open_registry


def main() -> None:
    url, folder = sys.argv[1:]
    base = parse(url, variable="URL").with_database("postgres")
    permit, vault = Scratch(base), Vault(store=Local(Path(folder) / "vault"))
    manifest = listing.choose(listing.list_backups(vault, "bench"), "latest")
    with closing(open_registry(permit, base, base)) as connection:
        known = Registry(connection, "bench", "bench")
        beside = Beside(known=known, row=known.reserve("stg", 0), server=base)
        restoring.restore_into(permit, vault, manifest, beside)
        verifying.compare(permit, manifest, beside)
        with closing(open_to_write(permit, beside.conninfo)) as made:
            made.execute("ANALYZE")


if __name__ == "__main__":
    main()
