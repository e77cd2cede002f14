"""Why somebody may not come in, and how that is told: RFC 9110 11.6.1, RFC 6750 3."""

from collections.abc import Iterable
from typing import Literal

from stagedoor import _problems as problems

__all__ = ["Denied", "Reason", "told"]

Reason = Literal["missing", "invalid", "scope", "unready", "away", "foreign"]


class Denied(Exception):
    """Nobody comes in. `why` is for the client: it says what is wrong, and repeats nothing of what was sent.

    `missing`: no credentials; `invalid`: no good ones; `scope`: known, and not allowed; `unready`: nobody can tell yet,
    since there are no keys; `away`: nobody can tell now, since what knows them does not answer; `foreign`: a page of
    somebody else's had a browser ask.
    """

    def __init__(self, reason: Reason, why: str) -> None:
        super().__init__(why)
        self.reason = reason
        self.why = why


def told(denied: Denied, scheme: str, realm: str, scopes: Iterable[str] = ()) -> problems.ProblemDetails:
    """Return the answer; who brought no credentials is told no error (RFC 6750 3.1)."""
    if denied.reason == "unready":
        return problems.upstream_unavailable()
    if denied.reason == "away":
        return problems.sessions_unavailable(denied.why)
    if denied.reason == "foreign":
        return problems.forbidden(denied.why)
    parameters = {"realm": realm}
    if denied.reason == "scope":
        parameters |= {"error": "insufficient_scope", "scope": " ".join(sorted(scopes))}
    elif denied.reason == "invalid" and scheme == "Bearer":
        parameters |= {"error": "invalid_token", "error_description": denied.why}
    said = ", ".join(f'{name}="{text}"' for name, text in parameters.items())
    challenge = f"{scheme} {said}".encode()
    if denied.reason == "scope":
        return problems.forbidden(denied.why, challenge)
    return problems.unauthorized(denied.why, challenge)
