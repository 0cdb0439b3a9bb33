"""Load one seed set, as a process of its own: `python -m benchmarks.seeding_load URL FOLDER SET [alone]`."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import psycopg

from dbtasks import seeders


def main() -> None:
    url, root, name, *alone = sys.argv[1:]
    with psycopg.connect(url) as connection:
        seeds = seeders.read(Path(root), Path("seeds"), [name])
        seeders.load(connection, seeds, lambda _: None, alone=bool(alone))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


if __name__ == "__main__":
    main()
