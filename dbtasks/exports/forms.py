"""The forms by name, and entries in them."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from dbtasks.errors import UsageError
from dbtasks.exports import cloudevents, ocsf, otel
from dbtasks.trail_query import Entry

# How many log records go into one document of OpenTelemetry.
_BATCH = 512


class Form(enum.StrEnum):
    """A form that other systems read."""

    OCSF = "ocsf"
    CLOUDEVENTS = "cloudevents"
    OTEL = "otel"


def form_named(name: str) -> Form:
    """Return the form of this name. UsageError: there is none."""
    if name not in set(Form):
        raise UsageError(f"--export: expected {', '.join(Form)}, found {name!r}.")
    return Form(name)


def exported(form: Form, entries: Iterable[Entry], project: str) -> Iterator[dict[str, Any]]:
    """Yield the documents of entries, in their order."""
    match form:
        case Form.OCSF:
            yield from (ocsf.event(entry, project) for entry in entries)
        case Form.CLOUDEVENTS:
            yield from (cloudevents.event(entry, project) for entry in entries)
        case Form.OTEL:
            coming = iter(entries)
            while batch := list(islice(coming, _BATCH)):
                yield otel.logs(batch, project)
