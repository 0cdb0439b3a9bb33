"""The `dbtasks` program: the same tasks as `invoke`, for a project without a `tasks.py`."""

from __future__ import annotations

from invoke.program import Program

import dbtasks
from dbtasks.invoke_tasks import namespace


def main() -> None:
    Program(namespace=namespace(), name="dbtasks", binary="dbtasks", version=dbtasks.__version__).run()


if __name__ == "__main__":
    main()
