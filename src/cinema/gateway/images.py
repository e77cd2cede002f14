"""`/api/files/{name}`: pictures by name, from the media service, and kept here while there is room."""

import re
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field

from cinema.gateway.upstreams import MEDIA_SECONDS
from stagedoor import Cache, Gateway, NotFound, Service, Stream

__all__ = ["declare_images"]

_KEPT_SECONDS: Final = 86_400.0  # immutable, but kept places are few
_NAME: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\.(?:png|jpg|webp|gif)", re.ASCII
)


def _last(said: object) -> object:
    """Return the last of what was given; contract 1.2: it wins."""
    return said[-1:] if isinstance(said, list) else said


Name = Annotated[
    str, Field(description="As in `image_url`", examples=["3d8d9bf5-0d90-4353-88ba-4ccc5d2c07ff.png"])
]
Width = Annotated[
    list[Literal["160", "320", "640"]],
    BeforeValidator(_last),
    Field(description="A thumbnail so wide, never enlarged", examples=[["320"]]),
]


def declare_images(app: Gateway, media: Service) -> None:
    """Declare the route. What is kept is dropped by the tag `file:{name}`."""

    @app.get(
        "/api/files/{name}",
        cache=Cache(max_age=_KEPT_SECONDS, tags=["file:{name}"]),
        deadline=MEDIA_SECONDS,
        tags=("memes",),
    )
    async def image(name: Name, width: Width = []) -> Stream:  # noqa: B006 - each request gets a copy
        """Show a picture, or a thumbnail of it.

        Immutable: under one name there are never other octets. Parts (`Range`) and conditions (`If-None-Match`) are
        answered.
        """
        if _NAME.fullmatch(name) is None:
            raise NotFound("File not found")
        return await media.open("/api/files/download/{}", name, query={"width": width})
