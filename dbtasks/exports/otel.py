"""Entries as OpenTelemetry logs: OTLP's JSON encoding, as its file exporters write and its collectors read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

import dbtasks
from dbtasks.trail_query import Entry

# SeverityNumber of the logs data model.
_INFO, _WARN, _ERROR = (9, "INFO"), (13, "WARN"), (17, "ERROR")
_BAD = frozenset({"failed", "partial", "interrupted"})


def logs(entries: Iterable[Entry], project: str) -> dict[str, Any]:
    """Return one `LogsData`, with a resource for each machine, under the conventions' names where there are any."""
    by_host: dict[str, list[dict[str, Any]]] = {}
    for entry in entries:
        by_host.setdefault(entry.host, []).append(_record(entry))
    scope = {"name": "dbtasks.trail", "version": dbtasks.__version__}
    return {
        "resourceLogs": [
            {
                "resource": {
                    "attributes": _pairs({"service.name": "dbtasks", "service.namespace": project, "host.name": host})
                },
                "scopeLogs": [{"scope": scope, "logRecords": records}],
            }
            for host, records in by_host.items()
        ]
    }


def _record(entry: Entry) -> dict[str, Any]:
    number, text = _severity(entry)
    nanoseconds = str(_nanoseconds(entry.moment))
    return {
        "timeUnixNano": nanoseconds,
        "observedTimeUnixNano": nanoseconds,
        "severityNumber": number,
        "severityText": text,
        "eventName": f"dbtasks.{entry.kind}",
        "body": {"stringValue": _sentence(entry)},
        "attributes": _pairs(_attributes(entry)),
    }


def _severity(entry: Entry) -> tuple[int, str]:
    if entry.kind == "refusal":
        return _WARN
    return _ERROR if entry.outcome in _BAD else _INFO


def _sentence(entry: Entry) -> str:
    where = f" on {entry.tier}" if entry.tier else ""
    return f"{entry.operation}{where} by {entry.person}: {entry.outcome or entry.kind}"


def _attributes(entry: Entry) -> dict[str, object]:
    """Return what an entry says, but for its time and host, under the names of the conventions where these know it."""
    rest = msgspec.to_builtins(entry)
    for name in ("time", "host", "pid", "person", "operation", "kind", "entry", "of"):
        rest.pop(name)
    return {
        "db.system.name": "postgresql",
        "db.operation.name": entry.operation,
        "user.name": entry.person,
        "process.pid": entry.pid,
        "dbtasks.entry": entry.entry,
        "dbtasks.run": entry.run,
        "dbtasks.kind": entry.kind,
        **{f"dbtasks.{name}": value for name, value in rest.items()},
    }


def _pairs(values: Mapping[str, object]) -> list[dict[str, Any]]:
    """Return key-value pairs; what is absent or empty has none."""
    return [{"key": key, "value": _value(value)} for key, value in values.items() if value not in (None, "", {})]


def _value(value: object) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}  # 64 bits are a text in this encoding
        case float():
            return {"doubleValue": value}
        case dict():
            return {"kvlistValue": {"values": _pairs(value)}}
        case list():
            return {"arrayValue": {"values": [_value(each) for each in value]}}
        case _:
            return {"stringValue": "" if value is None else str(value)}


def _nanoseconds(moment: datetime) -> int:
    return int(moment.replace(microsecond=0).timestamp()) * 10**9 + moment.microsecond * 1_000
