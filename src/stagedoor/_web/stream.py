"""A body that is sent as it comes, and is let go of as soon as nobody wants the rest of it."""

from collections.abc import AsyncIterator

from stagedoor._asgi import Message, Send
from stagedoor._capabilities import Closing
from stagedoor._web.disconnect import ClientGone, while_connected
from stagedoor._web.request import Request

__all__ = ["send_stream"]


async def send_stream(request: Request, send: Send, start: Message, chunks: AsyncIterator[bytes]) -> bool:
    """Send a head and a body; tell whether the client was there to the end.

    The stream is closed whatever happens: to its end, by an error, for HEAD, and at once when the client goes,
    also before the first octet and while the next one is waited for (X1, D6).
    """

    async def sending(request: Request) -> None:
        await send(start)
        if request.method != "HEAD":
            async for chunk in chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    try:
        await while_connected(sending, request)
    except ClientGone:
        return False
    finally:
        if isinstance(chunks, Closing):
            await chunks.aclose()
    return True
