"""What tests of pools share."""

from tests.contracts.transports.server import Seen, Wire

OK = b"HTTP/1.1 200 OK\r\n"


async def echo_number(seen: Seen, wire: Wire) -> bool:
    """Answer with the number of the connection, and stay."""
    body = b"%d" % wire.number
    await wire.say(OK + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    return True
