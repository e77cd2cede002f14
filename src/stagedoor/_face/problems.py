"""Answers of RFC 9457 that parts and handlers raise, and what a service's refusal means to a client."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import orjson

from stagedoor import _problems as problems
from stagedoor._events import upstream_of
from stagedoor._requests import HttpResponse
from stagedoor.errors import Answered, UpstreamError, UpstreamRejected, UpstreamUnavailable, first_of

__all__ = ["BadSegment", "Ended", "NotFound", "Problem", "Refusals", "alone", "carried"]

_GONE = (404, 410)
_CREDENTIALS = (401, 403)
_LONGEST = 1_000


class Problem(Answered, Exception):
    """An answer of RFC 9457, raised in parts and handlers: `raise Problem(409, "cart is closed")`.

    Its type, unless given, is `urn:problem-type:<gateway>:<kind>`; `members` are further members of the body. In a
    part it ends the screen. Raises `ValueError` for a status that is no error.
    """

    def __init__(self, status: int, detail: str = "", *, type: str = "", **members: object) -> None:  # noqa: A002
        given: object = status
        if not isinstance(given, int) or not 400 <= given <= 599:
            raise ValueError(f"Problem({status!r}): the status of a problem is between 400 and 599")
        super().__init__(status, detail)
        self.status = status
        self.detail = detail
        self.type = type
        self.members = members

    def said(self) -> problems.ProblemDetails:
        """Return it as the kit writes it."""
        usual = problems.usual(self.status)
        kind, title, detail = (
            _words(self.status) if usual is None else (usual.kind, usual.title, usual.detail)
        )
        return problems.ProblemDetails(
            self.status,
            kind,
            title,
            self.detail or detail,
            type=self.type,
            members=self.members,
            fields=() if usual is None else usual.fields,
        )


class NotFound(Problem):
    """There is no such thing: 404."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(404, detail)


class BadSegment(Problem):
    """A value that cannot be a segment of a path: the fault of whoever sent it (422)."""

    def __init__(self, detail: str) -> None:
        super().__init__(422, detail)

    def said(self) -> problems.ProblemDetails:
        """Return it as the kit writes what is wrong with a request."""
        return problems.validation({"loc": ["path"], "msg": self.detail, "type": "segment"})


class Ended(UpstreamRejected):
    """A problem of the client's own (4xx) on its way through caches, which must forget what they keep."""

    def __init__(self, operation: str, problem: Problem) -> None:
        super().__init__(operation, problem.detail)
        self.problem = problem


class Failed(UpstreamUnavailable):
    """A problem of ours (5xx) on its way through caches, which may let a stale answer stand in."""

    def __init__(self, operation: str, problem: Problem) -> None:
        super().__init__(operation, problem.detail)
        self.problem = problem


def carried(operation: str, raised: Problem | ExceptionGroup[Exception]) -> UpstreamError:
    """Return a problem as an error that policies understand; raises what of a group is none."""
    problem = alone(raised) if isinstance(raised, ExceptionGroup) else raised
    if not isinstance(problem, Problem):
        raise problem
    return (Ended if problem.status < 500 else Failed)(operation, problem)


def alone(several: ExceptionGroup[Exception]) -> Exception:
    """Return what calls side by side failed of: the first of their errors, or the group where one is a mistake."""
    return first_of(several, UpstreamError, Problem) or several


class Refusals:
    """What an error means to the client of one route.

    `credentials` tells whether a service, by its name, sees the caller's credentials. A screen turns all refusals but
    404, 410 and those of credentials into 502; a handler lets them pass.
    """

    def __init__(self, credentials: Callable[[str], bool], *, passing: bool) -> None:
        self._credentials = credentials
        self._passing = passing

    def __call__(self, error: Exception) -> problems.ProblemDetails:
        """Return the problem."""
        match error:
            case Ended() | Failed():
                return error.problem.said()
            case Problem():
                return error.said()
            case UpstreamRejected():
                return self._rejected(error)
        return problems.problem_of(error)

    def _rejected(self, error: UpstreamRejected) -> problems.ProblemDetails:
        response = error.response
        if response is None:
            return problems.problem_of(error)
        status, detail = response.status, ""
        if self._passing:
            detail = _detail_of(response.body, response.header(b"content-type"))
        if status in _GONE:
            return Problem(404, detail).said()
        if status in _CREDENTIALS:
            if not self._credentials(upstream_of(error.operation)):
                return problems.problem_of(error)
            # Several lines are one list (RFC 9110 11.6.1): whoever cannot use the first may know another.
            said = b", ".join([said for name, said in response.headers if name == b"www-authenticate"])
            challenge = said or b"Bearer"
            return problems.unauthorized(challenge=challenge) if status == 401 else problems.forbidden()
        return _passed(status, detail, response) if self._passing else problems.problem_of(error)


def _passed(status: int, detail: str, response: HttpResponse) -> problems.ProblemDetails:
    """Return a service's refusal as ours; of 416 the length is part of what it says (RFC 9110 15.5.17)."""
    said = Problem(status, detail).said()
    length = response.header(b"content-range") if status == 416 else None
    return said if length is None else replace(said, fields=((b"content-range", length),))


def _detail_of(body: bytes, kind: bytes | None) -> str:
    """Return the detail that a service's problem body gives; "" for any other body."""
    if kind is None or not kind.lower().startswith((b"application/problem+json", b"application/json")):
        return ""
    try:
        said: Any = orjson.loads(body)
    except ValueError:
        return ""
    detail = said.get("detail") if isinstance(said, Mapping) else None
    return detail[:_LONGEST] if isinstance(detail, str) else ""


def _words(status: int) -> tuple[str, str, str]:
    """Return kind, title and detail of a status that the kit itself never answers."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Error"
    return phrase.lower().replace(" ", "-").replace("'", ""), phrase.capitalize(), phrase.lower()
