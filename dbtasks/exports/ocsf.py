"""An entry as an event of the Open Cybersecurity Schema Framework 1.7: Datastore Activity, class 6005."""

from __future__ import annotations

import re
from typing import Any

from dbtasks.trail_query import Entry

SCHEMA = "1.7.0"
_CATEGORY, _CLASS = 6, 6005
_RELATIONAL, _DATABASE = 1, 1

# activity_id by what is done to data; an operation that hands out the way in is a connection.
_ACTIVITIES = {"READ": (1, "Read"), "ADD": (5, "Write"), "CHANGE": (2, "Update"), "DESTROY": (7, "Delete")}
_CONNECT, _OTHER = (3, "Connect"), 99
_UNKNOWN, _SUCCESS, _FAILURE = (0, "Unknown"), (1, "Success"), (2, "Failure")
_INFORMATIONAL, _MEDIUM, _HIGH = (1, "Informational"), (3, "Medium"), (4, "High")

# "shop_int on db-1:5432", as targets are shown.
_TARGET = re.compile(r"(?P<database>.+) on (?P<host>.+?)(?::(?P<port>[0-9]{1,5}))?")


def event(entry: Entry, project: str) -> dict[str, Any]:
    """Return the event. What the schema has no place for stands under `unmapped`, as it asks for."""
    activity, activity_name = _activity(entry)
    status, status_name = _status(entry)
    severity, severity_name = _severity(entry)
    found: dict[str, Any] = {
        "category_uid": _CATEGORY,
        "category_name": "Application Activity",
        "class_uid": _CLASS,
        "class_name": "Datastore Activity",
        "activity_id": activity,
        "activity_name": activity_name,
        "type_uid": _CLASS * 100 + activity,
        "type_name": f"Datastore Activity: {activity_name}",
        "time": int(entry.moment.timestamp() * 1000),
        "severity_id": severity,
        "severity": severity_name,
        "status_id": status,
        "status": status_name,
        "status_code": entry.outcome,
        "duration": entry.duration_ms,
        "message": f"{entry.kind}: {entry.operation}{f' on {entry.tier}' if entry.tier else ''}",
        "type_id": _DATABASE,
        "type": "Database",
        "metadata": _metadata(entry, project),
        "actor": _actor(entry),
        "src_endpoint": {"hostname": entry.host or "unknown"},
        **_places(entry),
        "unmapped": _unmapped(entry),
    }
    return {key: value for key, value in found.items() if value is not None}


def _activity(entry: Entry) -> tuple[int, str]:
    if entry.operation == "open":
        return _CONNECT
    return _ACTIVITIES.get(entry.effect or "", (_OTHER, entry.operation))


def _status(entry: Entry) -> tuple[int, str]:
    if entry.kind == "refusal":
        return _FAILURE
    if entry.kind != "result":
        return _UNKNOWN
    return _SUCCESS if entry.outcome == "done" else _FAILURE


def _severity(entry: Entry) -> tuple[int, str]:
    if _status(entry) != _FAILURE:
        return _INFORMATIONAL
    return _HIGH if entry.outcome == "partial" else _MEDIUM


def _metadata(entry: Entry, project: str) -> dict[str, Any]:
    return {
        "version": SCHEMA,
        "product": {"name": "dbtasks", "vendor_name": "dbtasks", "version": entry.version or "unknown"},
        "uid": entry.hash,
        "sequence": entry.entry,
        "correlation_uid": f"dbtasks/{entry.run}",
        "log_name": project,
        "original_time": entry.time,
    }


def _actor(entry: Entry) -> dict[str, Any]:
    return {
        "user": {"name": entry.person or "unknown"},
        "process": {"pid": entry.pid},
        "session": {"uid": f"dbtasks/{entry.run}"},  # the application_name of what it does on the server
        "app_name": f"dbtasks ({entry.surroundings})" if entry.surroundings else "dbtasks",
    }


def _places(entry: Entry) -> dict[str, Any]:
    """Return the database and the server, as far as they are named: a refusal may come before that."""
    database: dict[str, Any] = {"type_id": _RELATIONAL, "type": "Relational"}
    found = _TARGET.fullmatch(entry.target or "")
    name = found["database"] if found else entry.target
    database |= {"name": name or "unknown"} | ({"uid": entry.tier} if entry.tier else {})
    if not found:
        return {"database": database}
    port = {"port": int(found["port"])} if found["port"] else {}
    return {"database": database, "dst_endpoint": {"hostname": found["host"], "svc_name": "postgresql", **port}}


def _unmapped(entry: Entry) -> dict[str, Any]:
    told = {
        "kind": entry.kind,
        "operation": entry.operation,
        "tier": entry.tier,
        "effect": entry.effect,
        "surroundings": entry.surroundings,
        "plan": entry.plan,
        "commit": entry.commit,
        "prev": entry.prev,
        "detail": entry.detail or None,
    }
    return {name: value for name, value in told.items() if value is not None}
