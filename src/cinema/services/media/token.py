"""Ask for the shared token, which the gateway and the meme service know."""

import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from stagedoor import _problems as problems
from stagedoor._web.routes import RequestRefused

__all__ = ["asking_for"]

_BEARER = HTTPBearer(auto_error=False, description="MEDIA_TOKEN")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]


def asking_for(token: str | None) -> Callable[[Credentials], Awaitable[None]]:
    """Return a dependency that refuses whoever does not bring the token; without one everybody may ask."""

    async def authorize(credentials: Credentials) -> None:
        if token is None:
            return
        said = "" if credentials is None else credentials.credentials
        if not hmac.compare_digest(said.encode(), token.encode()):
            raise RequestRefused(problems.unauthorized("the token of the media service is needed"))

    return authorize
