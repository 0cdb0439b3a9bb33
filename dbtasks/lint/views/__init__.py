"""How findings are shown, one file a format. What a view returns is written by the console, masked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dbtasks.lint.findings import Finding
from dbtasks.lint.views import github, json_list, sarif, text

# Each takes the findings and the file that they are about, empty for revisions.
VIEWS: dict[str, Callable[[Sequence[Finding], str], str]] = {
    "text": text.view,
    "json": json_list.view,
    "github": github.view,
    "sarif": sarif.view,
}
