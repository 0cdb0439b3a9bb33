"""Which variables somebody can have used who goes through all of them.

python-dotenv copies the environment for each line of a `.env` file, to replace `${NAME}` in it. If that counted as
reading everything, many a project's build would depend on the terminal that it was started from.

Part of the worker: standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from .worker_asker import Asker

_REFERENCE = re.compile(r"\$\{([^}:]*)")


def names_behind(asker: Asker) -> Collection[str] | None:
    """Return the variables that the asker can use; `None` when these may be any."""
    if asker.module == "dotenv.main" and asker.frame is not None and asker.frame.f_code.co_name == "resolve_variables":
        value = asker.frame.f_locals.get("value")
        if isinstance(value, str):
            return _REFERENCE.findall(value)
    return None
