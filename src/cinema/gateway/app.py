"""The gateway of the platform: everything it is made of is declared here, in order.

`app` is declared from the settings when it is first asked for, so that a plain ASGI server can load this module:
`DOCS_ONLY=true uvicorn cinema.gateway.app:app --reload`.
"""

from functools import lru_cache, partial

from cinema import __version__
from cinema.gateway.admission import admission
from cinema.gateway.catalogue.extension import catalogue
from cinema.gateway.documents import DESCRIPTION, DOCUMENTS
from cinema.gateway.images import declare_images
from cinema.gateway.memes.routes import declare_memes
from cinema.gateway.movies.routes import declare_movies
from cinema.gateway.operations.admin import declare_admin
from cinema.gateway.operations.routes import declare_operations
from cinema.gateway.profile.aggregate import declare_profile
from cinema.gateway.upstreams import film_api, media, memes, search, services
from cinema.settings import Settings, load
from stagedoor import Gateway

__all__ = ["build"]

# No page of ours belongs into a frame, and none tells others where its reader was. Strict-Transport-Security is for
# whoever speaks TLS, which is not this process.
_SECURE = {"x-frame-options": "DENY", "referrer-policy": "no-referrer"}
# What pages of other origins may read: CONTRACTS 17.
_EXPOSED = (
    *("X-Total-Count", "Link", "Did-You-Mean", "Location", "ETag", "Retry-After"),
    *("RateLimit", "RateLimit-Policy", "X-Request-ID"),
)


def build(settings: Settings) -> Gateway:
    """Return the gateway these settings describe; it opens nothing before it is served."""
    app = Gateway(
        "cinema",
        deadline=settings.gateway_deadline_ms / 1000,
        settings=admission(settings),
        version=__version__,
        description=DESCRIPTION,
        documents=DOCUMENTS,
        headers=_SECURE,
        exposed=_EXPOSED,
    )
    declare_profile(app, *services(app, settings), settings)
    declare_memes(app, memes(app, settings), settings)
    declare_images(app, media(app, settings))
    app.extend(partial(catalogue, settings, search(app, settings)))
    declare_movies(app, film_api(app, settings), settings)
    declare_operations(app)
    declare_admin(app, settings)
    return app


@lru_cache(maxsize=1)
def _application() -> Gateway:
    return build(load())


def __getattr__(name: str) -> Gateway:
    """Declare `app` when it is first asked for: importing this module reads and opens nothing."""
    if name == "app":
        return _application()
    raise AttributeError(name)
