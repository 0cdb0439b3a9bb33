"""The `dbtasks` program: the same tasks as `invoke`, for a project without a `tasks.py`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from invoke.exceptions import ParseError
from invoke.program import Program

import dbtasks
from dbtasks.invoke_tasks import namespace


class _Program(Program):
    """Ends with 2 where Invoke's own parser ends with 1: that is what 1 means in our exit codes."""

    def parse_core(self, argv: Any) -> None:
        with _usage():
            super().parse_core(argv)

    def parse_tasks(self) -> None:
        with _usage():
            super().parse_tasks()


@contextmanager
def _usage() -> Iterator[None]:
    try:
        yield
    except ParseError as error:
        print(error, file=sys.stderr)  # noqa: T201  # as Invoke does it
        raise SystemExit(2) from None


def main() -> None:
    _Program(namespace=namespace(), name="dbtasks", binary="dbtasks", version=dbtasks.__version__).run()


if __name__ == "__main__":
    main()
