"""A web application that asks dbtasks for its database: INT by default, STG by its flag, PROD by a person's consent.

No URL and no password stands in this file, and which tier it works on is decided before the first request.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import psycopg
from fastapi import FastAPI, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError, TimeoutError  # noqa: A004  # SQLAlchemy's, not ours to name

import dbtasks

# One row an instructor, the best booked first. The view is part of the sample's migrations.
INSTRUCTORS = text(
    "SELECT name, lessons, reviews, rating FROM instructor_ratings ORDER BY lessons DESC, name LIMIT :limit"
)


class Health(BaseModel):
    status: str


class TierInUse(BaseModel):
    """The tier of this process, and its URL without the password."""

    tier: str
    database: str


class Instructor(BaseModel):
    name: str
    lessons: int
    reviews: int
    rating: float | None


def open_connection() -> psycopg.Connection[tuple[object, ...]]:
    """Return a new connection for the pool. The first of a process passes the guard; the rest use its answer."""
    connection = dbtasks.connect()
    connection.execute("SET statement_timeout = '2s'")
    connection.commit()
    return connection


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    # Five connections and two seconds of waiting for one: a flood of requests stays outside the database.
    engine = create_engine(
        "postgresql+psycopg://", creator=open_connection, pool_size=5, max_overflow=0, pool_timeout=2
    )
    try:
        with engine.connect():  # asked here, so that a refusal ends the start and not the first request
            pass
    except dbtasks.DbtasksError as error:
        raise error.with_traceback(None) from None  # what the server shows is the sentence, not the way to it
    app.state.engine = engine
    app.state.tier = TierInUse(tier=dbtasks.current_tier().label, database=dbtasks.mask(dbtasks.database_url()))
    yield
    engine.dispose()


app = FastAPI(title="Lessons in Maren Bay", lifespan=lifespan)


@app.exception_handler(OperationalError)
@app.exception_handler(TimeoutError)
async def unavailable(request: Request, error: Exception) -> JSONResponse:
    del request, error  # the server's words may name hosts and users, which are nobody's business here
    return JSONResponse({"detail": "The database is busy or away. Try again in a moment."}, status_code=503)


@app.get("/health")
def health(request: Request) -> Health:
    with request.app.state.engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    return Health(status="ok")


@app.get("/tier")
def tier(request: Request) -> TierInUse:
    in_use: TierInUse = request.app.state.tier
    return in_use


@app.get("/instructors")
def instructors(request: Request, limit: Annotated[int, Query(ge=1, le=100)] = 20) -> list[Instructor]:
    with request.app.state.engine.connect() as connection:
        rows = connection.execute(INSTRUCTORS, {"limit": limit}).mappings()
        return [Instructor.model_validate(dict(row)) for row in rows]
