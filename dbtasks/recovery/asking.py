"""One question to a provider's API: over HTTPS, to the host that was named, bounded in time and size."""

from __future__ import annotations

import http.client
import ssl
import time
import urllib.error
import urllib.request
from typing import IO

from dbtasks.conninfo import Permit, Secret
from dbtasks.values import dataclass

_PATIENCE_S = 10.0
_MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was answered, whatever its status."""

    status: int
    body: bytes


class NoAnswerError(Exception):
    """There was none. `again`: the next try may get one."""

    def __init__(self, text: str, *, again: bool) -> None:
        super().__init__(text)
        self.again = again


class _Stay(urllib.request.HTTPRedirectHandler):
    """A token is for the host that it was meant for: a redirect is an answer, and nobody follows it."""

    def redirect_request(
        self,
        req: urllib.request.Request,  # noqa: ARG002
        fp: IO[bytes],  # noqa: ARG002
        code: int,  # noqa: ARG002
        msg: str,  # noqa: ARG002
        headers: http.client.HTTPMessage,  # noqa: ARG002
        newurl: str,  # noqa: ARG002
    ) -> None:
        return None


def ask(url: str, token: Secret, permit: Permit, *, patience_s: float = _PATIENCE_S) -> Answer:
    """Return the answer to a GET with this token. Proxies and certificates are as the environment says.

    NoAnswerError says in its own words why there is none: what a library says of it may hold the token.
    """
    if not url.startswith("https://"):
        raise NoAnswerError("it is asked over HTTPS only", again=False)
    headers = {"Authorization": f"Bearer {token.reveal(permit)}", "Accept": "application/json", "User-Agent": "dbtasks"}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - https, as above
    opener = urllib.request.build_opener(_Stay())
    deadline = time.monotonic() + patience_s
    try:
        with opener.open(request, timeout=patience_s) as response:
            return Answer(status=response.status, body=_read(response, deadline))
    except urllib.error.HTTPError as error:  # any other status than a good one
        with error:
            return Answer(status=error.code, body=b"")
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise _no_answer(reason if isinstance(reason, Exception) else error) from None


def _read(response: http.client.HTTPResponse, deadline: float) -> bytes:
    body = b""
    while data := response.read1(1 << 16):
        body += data
        if len(body) > _MOST_BYTES:
            raise NoAnswerError("its answer does not end", again=False)
        if time.monotonic() > deadline:
            raise TimeoutError
    if response.length:  # it said that more would come
        raise http.client.IncompleteRead(b"")
    return body


def _no_answer(error: Exception) -> NoAnswerError:
    match error:
        case ssl.SSLCertVerificationError():
            return NoAnswerError("its certificate is not one that is trusted here", again=False)
        case TimeoutError():
            return NoAnswerError("it does not answer in time", again=True)
        case OSError():
            return NoAnswerError(f"it cannot be reached ({error.strerror or type(error).__name__})", again=True)
        case http.client.HTTPException():
            return NoAnswerError("its answer breaks off, or is no HTTP", again=True)
    return NoAnswerError("the token, or a proxy of the environment, cannot be used", again=False)
