"""The forms for other systems, against their published schemas."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from google.protobuf.json_format import Parse
from ocsf.v1_7_0.events import DatastoreActivity
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from pydantic import BaseModel

from dbtasks.author import whoami
from dbtasks.effects import Effect
from dbtasks.exports import cloudevents, ocsf, otel
from dbtasks.exports.forms import Form, exported
from dbtasks.trail import Act, Outcome, Trail
from dbtasks.trail_query import Entry, Filters, read

WHO = replace(whoami("terminal", Path("/")), person="anna", host="laptop 3")
NAMED = Act(operation="reset", tier="int", target="shop_int on db-1:5432", plan="7455", effect=Effect.DESTROY)


def entries(folder: Path) -> list[Entry]:
    """Return an entry of each kind, outcome and effect, with and without what an entry may lack."""
    path = folder / "audit.jsonl"
    trail = Trail(path, WHO)
    for outcome in Outcome:
        trail.result(
            trail.intent(NAMED, {"reason": "demo"}), outcome=outcome, duration_ms=9, detail={"heads": ["c41f"]}
        )
    for effect in Effect:
        trail.intent(Act(operation="migrate", tier="prod", target="embedded", effect=effect))
    trail.intent(Act(operation="open", tier="prod", target="app on [::1]:5432", effect=Effect.READ), {"n": [1.5, None]})
    trail.refusal(Act(operation="reset"), code="E-AGENT", detail={"saw": True, "deep": {"rows": 2**60}})
    trail.note(Act(operation="export"))
    Trail(path, replace(WHO, person="", host="", surroundings="")).note(Act(operation="open"))
    return list(read(path, Filters()))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[Entry]:
    return entries(tmp_path_factory.mktemp("trail"))


# OCSF


SCHEMA = json.loads((files("ocsf") / "schemas" / "v1_7_0.json").read_text(encoding="utf-8"))


def unknown(value: object, where: str) -> Iterator[str]:
    """Yield attributes that the schema does not have; `unmapped` is the place for them."""
    if isinstance(value, BaseModel):
        yield from (f"{where}.{name}" for name in value.model_extra or ())
        for name in type(value).model_fields:
            if name != "unmapped":
                yield from unknown(getattr(value, name), f"{where}.{name}")


def lacking(value: object, where: str, constraints: dict[str, list[str]]) -> Iterator[str]:
    """Yield constraints of the schema that are broken: of some attributes, at least one must be there."""
    if not isinstance(value, BaseModel):
        return
    wanted = constraints.get("at_least_one", [])
    if wanted and not any(getattr(value, name, None) is not None for name in wanted):
        yield f"{where} has none of {wanted}"
    for name in type(value).model_fields:
        held = getattr(value, name)
        if isinstance(held, BaseModel) and name != "unmapped":
            kind = re.sub(r"(?<!^)(?=[A-Z])", "_", type(held).__name__).lower()
            yield from lacking(held, f"{where}.{name}", SCHEMA["objects"][kind].get("constraints", {}))


def checked(event: dict[str, Any]) -> DatastoreActivity:
    """Return the event as the schema's own model. AssertionError, ValidationError: it does not fit."""
    model = DatastoreActivity.model_validate(event)
    constraints = SCHEMA["events"]["datastore_activity"]["constraints"]
    assert [*unknown(model, "event"), *lacking(model, "event", constraints)] == []
    return model


def test_every_entry_is_a_datastore_activity_by_the_schema(found: list[Entry]) -> None:
    for entry in found:
        event = ocsf.event(entry, "shop")
        assert checked(json.loads(json.dumps(event))).class_uid == 6005
        assert event["type_uid"] == 6005 * 100 + event["activity_id"]
        assert None not in event.values()


@pytest.mark.parametrize("broken", ["actor", "src_endpoint", "metadata", "time", "database", "product"])
def test_the_check_by_the_schema_misses_what_is_required(found: list[Entry], broken: str) -> None:
    event = ocsf.event(found[0], "shop")
    event["metadata" if broken == "product" else broken] = {"version": "1.7.0"} if broken == "product" else None
    with pytest.raises((AssertionError, ValueError)):
        checked({name: value for name, value in event.items() if value is not None})


@pytest.mark.parametrize("more", [{"activity_id": 42}, {"severity_id": 9}, {"colour": "red"}, {"actor": {}}])
def test_the_check_by_the_schema_sees_what_is_not_in_it(found: list[Entry], more: dict[str, object]) -> None:
    with pytest.raises((AssertionError, ValueError)):
        checked({**ocsf.event(found[0], "shop"), **more})


def test_ocsf_tells_activity_status_and_place(found: list[Entry]) -> None:
    events = [ocsf.event(entry, "shop") for entry in found]
    told = [
        (each["unmapped"]["kind"], each["activity_id"], each["status_id"], each.get("status_code")) for each in events
    ]
    assert told[:4] == [
        ("intent", 7, 0, None), ("result", 7, 1, "done"), ("intent", 7, 0, None), ("result", 7, 2, "failed"),
    ]  # fmt: skip
    assert [activity for kind, activity, _, _ in told[8:13]] == [1, 5, 2, 7, 3]
    assert told[13] == ("refusal", 99, 2, "E-AGENT")
    assert events[0]["database"] == {"type_id": 1, "type": "Relational", "name": "shop_int", "uid": "int"}
    assert events[0]["dst_endpoint"] == {"hostname": "db-1", "svc_name": "postgresql", "port": 5432}
    assert events[12]["dst_endpoint"]["hostname"] == "[::1]"
    assert events[1]["metadata"]["correlation_uid"] == events[0]["actor"]["session"]["uid"] == "dbtasks/1"


# CloudEvents


def test_every_entry_is_a_cloud_event_by_the_specification(found: list[Entry]) -> None:
    for entry in found:
        event = json.loads(json.dumps(cloudevents.event(entry, "our shop")))
        assert event["specversion"] == "1.0"
        assert all(re.fullmatch(r"[a-z0-9]+", name) for name in event)
        assert all(isinstance(event[name], str) and event[name] for name in ("id", "source", "type", "subject"))
        assert re.fullmatch(r"[!-~]+", event["source"])
        assert urlsplit(event["source"]).path == event["source"]
        assert datetime.fromisoformat(event["time"]).tzinfo is not None
        assert event["data"]["hash"] == event["id"]
    assert len({(each.hash, each.host) for each in found}) == len(found)


# OpenTelemetry


def values(pairs: Any) -> dict[str, object]:
    return {pair.key: getattr(pair.value, str(pair.value.WhichOneof("value"))) for pair in pairs}


def test_entries_are_logs_data_by_the_protocol(found: list[Entry]) -> None:
    (document,) = exported(Form.OTEL, found, "shop")
    data = Parse(json.dumps(document), LogsData())
    records = [record for each in data.resource_logs for scope in each.scope_logs for record in scope.log_records]
    by_entry = {values(record.attributes)["dbtasks.entry"]: record for record in records}
    assert set(by_entry) == {entry.entry for entry in found}
    assert values(data.resource_logs[0].resource.attributes) == {
        "service.name": "dbtasks", "service.namespace": "shop", "host.name": "laptop 3",
    }  # fmt: skip
    for entry in found:
        record = by_entry[entry.entry]
        assert record.time_unix_nano == round(entry.moment.timestamp() * 10**6) * 1_000
        assert values(record.attributes)["dbtasks.run"] == entry.run
    assert [by_entry[number].severity_text for number in (1, 2, 4, 14)] == ["INFO", "INFO", "ERROR", "WARN"]


def test_many_entries_are_several_documents(found: list[Entry]) -> None:
    documents = list(exported(Form.OTEL, found * 100, "shop"))
    counts = [
        sum(len(each["scopeLogs"][0]["logRecords"]) for each in document["resourceLogs"]) for document in documents
    ]
    assert (sum(counts), max(counts)) == (len(found) * 100, 512)


def test_a_value_of_64_bits_and_nested_details_survive(found: list[Entry]) -> None:
    document = otel.logs([found[13]], "shop")
    (record,) = document["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
    Parse(json.dumps(document), LogsData())
    detail = next(pair["value"] for pair in record["attributes"] if pair["key"] == "dbtasks.detail")
    assert detail["kvlistValue"]["values"][1]["value"] == {
        "kvlistValue": {"values": [{"key": "rows", "value": {"intValue": str(2**60)}}]}
    }
