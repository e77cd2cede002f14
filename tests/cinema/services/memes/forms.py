"""Write what clients send: bodies of parts."""

from tests.cinema.services.asking import Asker, Reply
from tests.cinema.services.memes.media import PNG

BOUNDARY = "----test7d1"
TEXTS = {"title": "Monday", "description": "A cat that knows what day it is"}


def parts(image: bytes | None = PNG + b"octets", /, **texts: str) -> bytes:
    """Return a body with these texts and, unless None, a picture."""
    pieces = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode()
        for name, text in texts.items()
    ]
    if image is not None:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="../../x.php"\r\n'
        pieces.append(head.encode() + b"Content-Type: text/html\r\n\r\n" + image + b"\r\n")
    return b"".join(pieces) + f"--{BOUNDARY}--\r\n".encode()


async def send(ask: Asker, target: str, body: bytes, method: str = "POST", **headers: str) -> Reply:
    """Send a body of parts."""
    fields = {name.replace("_", "-"): said for name, said in headers.items()}
    return await ask(
        target, method, body, {"content-type": f"multipart/form-data; boundary={BOUNDARY}", **fields}
    )


async def added(ask: Asker, **texts: str) -> Reply:
    """Add a meme."""
    return await send(ask, "/api/memes", parts(**{**TEXTS, **texts}))
