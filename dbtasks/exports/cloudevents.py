"""An entry as a CloudEvent, version 1.0, in the JSON event format (github.com/cloudevents/spec)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec

from dbtasks.trail_query import Entry


def event(entry: Entry, project: str) -> dict[str, Any]:
    """Return the event. Its id is the entry's hash: the same entry is the same event, however often it is sent."""
    return {
        "specversion": "1.0",
        "id": entry.hash,
        "source": f"/dbtasks/{quote(project, safe='')}/{quote(entry.host, safe='')}",
        "type": f"dbtasks.{entry.kind}",
        "subject": f"dbtasks/{entry.run}",
        "time": entry.time,
        "datacontenttype": "application/json",
        # The extension "sequence" of the specification's own list.
        "sequence": f"{entry.entry:018}",
        "data": msgspec.to_builtins(entry),
    }
