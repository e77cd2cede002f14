"""What is special about calls of the meme service: writes, which take long, and another service behind it."""

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import orjson

from cinema.texts import MEDIA_AWAY
from stagedoor import Call, Env, Send
from stagedoor.errors import UpstreamRejected, UpstreamUnavailable

__all__ = ["MediaAway", "Reads"]

_HEAD: Final = 64  # octets of a page before anything that people have written


@dataclass(frozen=True, slots=True)
class Reads:
    """Have a policy for reads alone: writes are sent once, and have the deadline of their request."""

    keyed: ClassVar[bool] = False
    policy: Any  # one of the kit's, which can say what it costs

    def cost(self, inner: Any, /) -> Any:  # noqa: ANN401 - the kit's own type of costs
        """Return what the policy makes of it: reads are what may be repeated."""
        return self.policy.cost(inner)

    def wrap(self, send: Send[Any, Any], env: Env, /) -> Send[Any, Any]:
        """Return a Send that goes through the policy, or past it."""
        through = self.policy.wrap(send, env)

        async def sending(call: Call[Any]) -> Any:  # noqa: ANN401 - whatever the transport answers
            return await (through if call.payload.method in {"GET", "HEAD"} else send)(call)

        return sending


@dataclass(frozen=True, slots=True)
class MediaAway:
    """Let the breaker outside not hear of a 503 by which the service says that media is away: it answers itself."""

    keyed: ClassVar[bool] = False

    def cost(self, inner: Any, /) -> Any:  # noqa: ANN401 - the kit's own type of costs
        """Return what is inside: nothing is asked twice."""
        return inner

    def wrap(self, send: Send[Any, Any], env: Env, /) -> Send[Any, Any]:
        """Return a Send that tells such an answer as the service's own word."""

        async def sending(call: Call[Any]) -> Any:  # noqa: ANN401 - whatever the transport answers
            try:
                return await send(call)
            except UpstreamUnavailable as error:
                if error.response is None or not names_media(error.response.body):
                    raise
                raise UpstreamRejected(call.operation, error.detail, response=error.response) from error

        return sending


def names_media(body: bytes) -> bool:
    """Tell whether a problem, or a page, says that it is the media service that is away."""
    if MEDIA_AWAY.encode() in body[:_HEAD]:
        return True
    try:
        said = orjson.loads(body)
    except ValueError:
        return False
    return isinstance(said, dict) and said.get("component") == "media_service"
