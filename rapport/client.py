"""Talk to a running platform over HTTP: post events, read answers. It decides nothing.

A busy platform (429, 503), one that does not know what became of it (504) and a dropped connection
are tried again, for a bounded time; that is safe because the platform recognises an event it
already has. Everything else that goes wrong is one sentence for the reader:

    ClientError
    ├── BadAddress       the URL is not one this program can call
    ├── NotRunning       nothing answers there
    ├── NotRapport       something answers there, and it is not a Rapport platform
    ├── KeyRefused       401 or 403: no key, a wrong one, or one that may not do this
    ├── RequestRefused   any other refusal, in the platform's own words
    └── GaveUp           still busy, or still dropping the connection, when patience ran out

No message repeats the key or anything that was sent.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final, Self, cast

import httpx2
import orjson

from rapport.errors import ProgramError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

LINES_TYPE: Final = "application/x-ndjson"
"""One event a line: a line that cannot be read costs only itself, in an array it costs all."""
ANSWERED: Final = frozenset({HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.MULTI_STATUS})
BUSY: Final = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
MAX_ATTEMPTS: Final = 20
FIRST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 5.0


class ClientError(ProgramError):
    """The call did not succeed; `str(error)` is one sentence for the reader."""


class BadAddress(ClientError):
    """The URL is not one this program can call."""


class NotRunning(ClientError):
    """Nothing answers at the URL."""


class NotRapport(ClientError):
    """Something answers, but not in the platform's words: probably the wrong port."""


class KeyRefused(ClientError):
    """The platform does not accept the key, or the key may not do this."""


class RequestRefused(ClientError):
    """The platform refused the request as a whole. `problem` is its RFC 9457 answer."""

    def __init__(self, sentence: str, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(sentence)
        self.status = status
        self.problem = problem


class GaveUp(ClientError):
    """The platform stayed busy or kept dropping the connection for too long."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a busy platform is waited for: `seconds` in all, by `pause(seconds)`.

    `pause` returns True if the client was closed meanwhile; None stands for waiting in real time.
    """

    seconds: float = 60.0
    pause: Callable[[float], bool] | None = None


class Client:
    """One platform, one key. Safe to share between threads; close it, or use it in a `with`."""

    def __init__(
        self, url: str, key: str | None, *, patience: Patience | None = None, timeout: float = 60.0
    ) -> None:
        """Prepare for `url` (`http://127.0.0.1:8080`); nothing is sent yet.

        `key` goes out as a bearer token; None sends none. `timeout`: seconds one answer may take.

        Raises:
            BadAddress: the URL is not http or https with a host.
            KeyRefused: the key holds characters no key has.
        """
        self.url = url.rstrip("/")
        host = _host(self.url)
        self._closed = threading.Event()
        patience = patience or Patience()
        self._patience_seconds = patience.seconds
        self._pause = patience.pause or self._closed.wait
        headers = {"Accept": "application/json"}
        if key is not None:
            if not re.fullmatch(r"[!-~]+", key):
                raise KeyRefused(
                    "The key is not one of ours: they begin with rpt_, without spaces."
                )
            headers["Authorization"] = f"Bearer {key}"
        self._http = httpx2.Client(
            base_url=self.url,
            headers=headers,
            timeout=timeout,
            trust_env=not _is_loopback(host),  # a proxy cannot reach this machine's own loopback
        )

    def __enter__(self) -> Self:
        """Use as a context manager; leaving closes."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Let go of the connections; a call that waits for a busy platform gives up at once."""
        self._closed.set()
        self._http.close()

    def give_up_waiting(self) -> None:
        """Make every present and future wait for a busy platform end at once with GaveUp."""
        self._closed.set()

    def post_events(self, batch: Sequence[bytes | Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Send events in one request and return the platform's answer to each, in order.

        An event given as bytes (one JSON value, UTF-8) is sent as those bytes, on one line. Each
        answer has `status` (`stored duplicate conflict rejected quarantined`), a refused one
        `errors`.

        Raises:
            ClientError: see the tree above; RequestRefused if the batch as a whole was refused.
                After GaveUp or NotRunning some of the batch may be stored: send it again.
        """
        lines = [part if isinstance(part, bytes) else orjson.dumps(part) for part in batch]
        body = b"\n".join(line.replace(b"\n", b" ") for line in lines)
        answer = self._call("POST", "/v1/events", content=body, media_type=LINES_TYPE)
        read = self._json(answer)
        results = cast("Mapping[str, Any]", read).get("results") if isinstance(read, dict) else None
        if not _is_answer_per_event(results, len(lines)):
            raise NotRapport(self._not_rapport())
        return cast("list[dict[str, Any]]", results)

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """Read `path` (`/v1/portfolio`) and return its JSON.

        Raises:
            ClientError: see the tree above; RequestRefused with `status` 404 if it is not there.
        """
        return self._json(self._call("GET", path, params=params))

    def ask(self, path: str, asked: Mapping[str, Any]) -> Any:
        """Post `asked` as JSON to `path`, where asking twice is safe, and return the answer's JSON.

        Raises:
            ClientError: see the tree above; RequestRefused with `status` 404 for nobody known.
        """
        body = orjson.dumps(asked)
        return self._json(self._call("POST", path, content=body, media_type="application/json"))

    def _call(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        media_type: str | None = None,
        params: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        """Call until there is an answer that is not "busy", or patience runs out."""
        headers = {"Content-Type": media_type} if media_type else {}
        waited = 0.0
        for attempt in range(MAX_ATTEMPTS):
            pause = min(FIRST_PAUSE_SECONDS * 2**attempt, LONGEST_PAUSE_SECONDS)
            try:
                answer = self._http.request(
                    method, path, content=content, params=params, headers=headers
                )
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                raise NotRunning(self._not_running()) from error
            except httpx2.UnsupportedProtocol as error:
                raise BadAddress(_bad_address()) from error
            except httpx2.DecodingError as error:
                raise NotRapport(self._not_rapport()) from error
            except httpx2.TransportError as error:
                self._wait(pause, waited, "drops the connection", error)
            else:
                if answer.status_code not in BUSY:
                    return self._accepted(answer)
                pause = max(_retry_after(answer) or pause, FIRST_PAUSE_SECONDS)
                self._wait(pause, waited, "is busy", None)
            waited += pause
        raise GaveUp(self._gave_up("is busy"))

    def _wait(self, pause: float, waited: float, how: str, cause: Exception | None) -> None:
        """Wait `pause` seconds, unless that would be more than patience allows: then GaveUp."""
        if waited + pause > self._patience_seconds or self._pause(pause):
            raise GaveUp(self._gave_up(how)) from cause

    def _accepted(self, answer: httpx2.Response) -> httpx2.Response:
        """Return the answer if it is one; raise what it means if it is a refusal."""
        status = answer.status_code
        if status in ANSWERED:
            return answer
        problem = _problem(answer)
        if problem is None:
            raise NotRapport(self._not_rapport())
        told = _told(problem)
        if status == HTTPStatus.UNAUTHORIZED:
            raise KeyRefused(
                f"The platform at {self.url} does not accept the key: give a valid one with --key "
                "or RAPPORT_KEY, made by `rapport keys create`."
            )
        if status == HTTPStatus.FORBIDDEN:
            raise KeyRefused(f"The key may not do this at {self.url}: {told}")
        raise RequestRefused(f"The platform at {self.url} refused: {told}", status, problem)

    def _json(self, answer: httpx2.Response) -> Any:
        try:
            return orjson.loads(answer.content)
        except orjson.JSONDecodeError as error:
            raise NotRapport(self._not_rapport()) from error

    def _not_running(self) -> str:
        return (
            f"Nothing answers at {self.url}: start the platform with `rapport up`, "
            "or give the right --url."
        )

    def _not_rapport(self) -> str:
        return f"What answers at {self.url} is not a Rapport platform: check the port in --url."

    def _gave_up(self, how: str) -> str:
        return (
            f"The platform at {self.url} {how}, and still did when waiting ended: "
            "try again later, nothing will be stored twice."
        )


def _bad_address() -> str:
    return "The platform's URL cannot be used: give one like http://127.0.0.1:8080 with --url."


def _host(url: str) -> str:
    """The host of an http(s) URL. Raises BadAddress for any other text."""
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise BadAddress(_bad_address()) from error
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise BadAddress(_bad_address())
    return parsed.host


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _retry_after(answer: httpx2.Response) -> float | None:
    """Seconds the answer asks to wait: its number, or its date less the answer's own date."""
    text = answer.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        until = parsedate_to_datetime(text)
        return (until - parsedate_to_datetime(answer.headers.get("Date", ""))).total_seconds()
    except (TypeError, ValueError):
        return None


def _problem(answer: httpx2.Response) -> dict[str, Any] | None:
    """The RFC 9457 document of a refusal, or None if it carries none."""
    if not answer.headers.get("Content-Type", "").startswith("application/problem+json"):
        return None
    try:
        read: object = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        return None
    return cast("dict[str, Any]", read) if isinstance(read, dict) else None


def _told(problem: Mapping[str, Any]) -> str:
    """A refusal in the platform's own words, with the first field error and its cure."""
    words = [str(problem[name]) for name in ("detail", "title") if problem.get(name)][:1]
    errors: object = problem.get("errors")
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        first = cast("dict[str, Any]", errors[0])
        words += [str(first[name]) for name in ("pointer", "message", "cure") if first.get(name)]
    return " ".join(words) or "it gives no reason."


def _is_answer_per_event(results: object, events: int) -> bool:
    """Whether `results` is a list of objects with a `status`, as many as events were sent."""
    if not isinstance(results, list) or len(cast("list[object]", results)) != events:
        return False
    return all(
        isinstance(result, dict) and isinstance(cast("dict[str, Any]", result).get("status"), str)
        for result in cast("list[object]", results)
    )
