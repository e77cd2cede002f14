"""`/api/memes`, and `/memes`, which is a wall of pictures for people as well.

Everything passes through: the paths are the same at the service, so that its links, its `instance` and its pages are
right here too. Uploads are streamed and held to their bound before octets travel. Which kept picture a write has made
wrong only the service knows; it says so in a field of its answer. Who writes, where that takes a subject, it is told in
a field of its own: within which an `Idempotency-Key` means one write, and to whom the wall shows its forms.
"""

from dataclasses import dataclass
from typing import Any, Final

from cinema.gateway.access import writers
from cinema.gateway.memes.models import Limit, Meme, MemeId, NewImage, NewMeme, Offset, Texts
from cinema.settings import Settings
from cinema.subjects import SUBJECT_FIELD
from cinema.texts import AROUND_PICTURE
from stagedoor import Gateway, Guard, Operation, Service

__all__ = ["declare_memes"]

_PURGE: Final = "stagedoor-purge"
_PATHS: Final = ("/api/memes", "/memes")
_TAGS: Final = ("memes",)
_TAG: Final = {"ETag": "Names this state of the meme"}
_WALK: Final = (
    "Asked without `offset`, `next` in `Link` carries a `cursor` in its place: opaque, to be used as it stands. "
    "A walk along it neither loses nor repeats, whatever is added or removed meanwhile."
)
_CONDITION: Final = "`If-Match` holds the write to the state that you saw (412)."
_KEY: Final = (
    "With an `Idempotency-Key` it is safe to send again for 24 hours: the answer is the first one's."
)


@dataclass(frozen=True, slots=True)
class _Bounds:
    """What a write that brings a picture may take: octets of its body, and seconds."""

    limit: int
    deadline: float


def declare_memes(app: Gateway, memes: Service, settings: Settings) -> None:
    """Declare the calls, and the forms of the wall."""
    upload = _Bounds(settings.media_max_bytes + AROUND_PICTURE, float(settings.gateway_upload_timeout_s))
    guard = writers(settings)
    for path in _PATHS:
        _declare_list(app, memes, path, upload, guard)
        _declare_one(app, memes, path + "/{meme_id}", guard)
        # The form of the wall shares this path; what is listed has no methods that are not.
        _declare_image(app, memes, path + "/{meme_id}/image", upload, guard, listed=path != "/memes")
        _declare_image(app, memes, path + "/{meme_id}/update_image", upload, guard, listed=False)
    _declare_forms(app, memes, upload, guard)


def _declare_list(app: Gateway, memes: Service, path: Any, upload: _Bounds, guard: Guard | None) -> None:  # noqa: ANN401 - a literal
    app.proxy(
        path,
        memes,
        priority="list",
        recognises=guard if path == "/memes" else None,
        subject_field=SUBJECT_FIELD,
        operation=Operation(
            summary="List memes, newest first",
            description=_WALK,
            tags=_TAGS,
            answers=list[Meme],
            pages=path == "/memes",
            inputs={"limit": Limit, "offset": Offset},
            defaults={"limit": 100, "offset": 0},
            refusals=frozenset({422}),
            headers={
                "ETag": "Names this state of the page",
                "X-Total-Count": "How many memes there are",
                "Link": "`first`, `prev`, `next` and `last`, as far as they exist",
            },
        ),
    )
    app.proxy(
        path,
        memes,
        methods={"POST"},
        guard=guard,
        subject_field=SUBJECT_FIELD,
        limit=upload.limit,
        deadline=upload.deadline,
        operation=Operation(
            summary="Add a meme",
            description=_KEY,
            tags=_TAGS,
            status=201,
            also=frozenset({303} if path == "/memes" else ()),
            pages=path == "/memes",
            answers=Meme,
            inputs={},
            body=NewMeme,
            body_type="multipart/form-data",
            refusals=frozenset({400, 403, 409, 413, 415, 422}),
            headers={"Location": "Where it is", "X-Request-ID": "The request's id"},
        ),
    )


def _declare_one(app: Gateway, memes: Service, path: Any, guard: Guard | None) -> None:  # noqa: ANN401 - a literal
    app.proxy(
        path,
        memes,
        subject_field=SUBJECT_FIELD,
        operation=Operation(
            summary="Show one meme",
            tags=_TAGS,
            answers=Meme,
            inputs={"meme_id": MemeId},
            refusals=frozenset({404, 422}),
            headers=_TAG,
        ),
    )
    app.proxy(
        path,
        memes,
        methods={"PUT"},
        guard=guard,
        subject_field=SUBJECT_FIELD,
        operation=Operation(
            summary="Write other texts",
            description=f"Both are needed; picture and moment stay. {_CONDITION}",
            tags=_TAGS,
            answers=Meme,
            inputs={"meme_id": MemeId},
            body=Texts,
            refusals=frozenset({400, 403, 404, 412, 413, 415, 422}),
        ),
    )
    app.proxy(
        path,
        memes,
        methods={"DELETE"},
        guard=guard,
        subject_field=SUBJECT_FIELD,
        purge_field=_PURGE,
        operation=Operation(
            summary="Remove a meme and its picture",
            description=_CONDITION,
            tags=_TAGS,
            status=204,
            inputs={"meme_id": MemeId},
            refusals=frozenset({403, 404, 412, 422}),
        ),
    )


def _declare_image(
    app: Gateway,
    memes: Service,
    path: Any,  # noqa: ANN401 - a literal
    upload: _Bounds,
    guard: Guard | None,
    *,
    listed: bool,
) -> None:
    app.proxy(
        path,
        memes,
        methods={"PATCH"},
        guard=guard,
        subject_field=SUBJECT_FIELD,
        limit=upload.limit,
        deadline=upload.deadline,
        purge_field=_PURGE,
        operation=Operation(
            summary="Show another picture",
            description=f"The present one is removed. {_CONDITION}",
            tags=_TAGS,
            answers=Meme,
            inputs={"meme_id": MemeId},
            body=NewImage,
            body_type="multipart/form-data",
            refusals=frozenset({400, 403, 404, 412, 413, 415, 422}),
            listed=listed,
        ),
    )


def _declare_forms(app: Gateway, memes: Service, upload: _Bounds, guard: Guard | None) -> None:
    form = Operation(
        summary="A form of the wall",
        status=303,
        inputs={"meme_id": MemeId},
        refusals=frozenset({400, 404, 412, 413, 415, 422}),
        listed=False,
        pages=True,
    )
    for path in ("/memes/{meme_id}/edit", "/memes/{meme_id}/delete"):
        app.proxy(
            path,
            memes,
            methods={"POST"},
            guard=guard,
            subject_field=SUBJECT_FIELD,
            purge_field=_PURGE,
            operation=form,
        )
    app.proxy(
        "/memes/{meme_id}/image",
        memes,
        methods={"POST"},
        guard=guard,
        subject_field=SUBJECT_FIELD,
        limit=upload.limit,
        deadline=upload.deadline,
        purge_field=_PURGE,
        operation=form,
    )
