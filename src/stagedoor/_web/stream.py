"""A body that is sent as it comes, and is let go of as soon as nobody wants the rest of it."""

from collections.abc import AsyncIterator

from stagedoor._asgi import GONE, Message, Send
from stagedoor._web.disconnect import ClientGone, while_connected
from stagedoor._web.request import Request

__all__ = ["send_stream"]


async def send_stream(
    request: Request, send: Send, start: Message, chunks: AsyncIterator[bytes | memoryview]
) -> bool:
    """Send a head and a body; tell whether the client was there to the end.

    The stream is closed whatever happens: to its end, by an error, for HEAD, and at once when the client goes,
    also before the first octet and while the next one is waited for (X1, D6). One with a `take_whole` is asked for all
    of it first: what has come whole holds nothing any more, and leaves like any other body.
    """
    ours = GONE in request.scope.get("extensions", {})
    whole = getattr(chunks, "take_whole", _nothing)() if ours and request.method != "HEAD" else None
    if whole is not None:
        await send(start)
        await send({"type": "http.response.body", "body": whole})
        return True

    async def sending(request: Request) -> None:
        await send(start)
        if request.method != "HEAD":
            async for chunk in chunks:
                body = chunk if ours else bytes(chunk)  # other servers may take nothing but bytes
                await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    try:
        await while_connected(sending, request)
    except ClientGone:
        return False
    finally:
        aclose = getattr(chunks, "aclose", None)  # asking a protocol by isinstance takes some microseconds
        if aclose is not None:
            await aclose()
    return True


def _nothing() -> None:
    """Have nothing of a body before it is asked for."""
