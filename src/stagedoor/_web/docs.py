"""Documentation that needs no other host: OpenAPI documents, Swagger UI and ReDoc from an installed package.

The scripts come from the `fastapi-offline` wheel; the pages round them are ours. Each page carries a fresh nonce,
so that its Content-Security-Policy can forbid every other script.
"""

import asyncio
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson

from stagedoor._web.answer import WebAnswer, conditional, etag_of, html
from stagedoor._web.openapi import document
from stagedoor._web.request import Request
from stagedoor._web.routes import Handler, Route
from stagedoor.errors import ConfigError

__all__ = ["DocumentSet", "documentation_routes"]

_ASSETS = {
    "swagger-ui-bundle.js": b"text/javascript; charset=utf-8",
    "swagger-ui.css": b"text/css; charset=utf-8",
    "redoc.standalone.js": b"text/javascript; charset=utf-8",
}
# ReDoc shows a logo from another host; in its place stands a picture of nothing.
_LOGO = b"https://cdn.redoc.ly/redoc/logo-mini.svg"
_NOTHING = b"data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciLz4="
_FOREVER = (b"cache-control", b"public, max-age=86400")
_SHORT = (b"cache-control", b"no-cache")
_MOST_ROOTS = 8  # paths that a document is made for and kept
# Neither page has a dark mode of its own: turning the light round keeps its contrasts, turning hues back its colours.
_DARK = (
    "<style>@media (prefers-color-scheme: dark){html{background:#111}"
    "#swagger-ui,#redoc{filter:invert(.92) hue-rotate(180deg);background:#fff;color-scheme:light}"
    "#swagger-ui img,#redoc img{filter:invert(1) hue-rotate(180deg)}}</style>"
)
# Their own colours are too pale to read (WCAG 2.2, 1.4.3: 4.5 to 1).
_METHODS = {
    "get": "1f63b4",
    "post": "1d7a4c",
    "put": "8f5300",
    "delete": "c62828",
    "patch": "0f766e",
    "head": "6b21a8",
}
_CONTRAST = (
    "<style>.swagger-ui .info .title small{background:#5b6472}"
    ".swagger-ui .info .title small.version-stamp{background:#4d6b00}"
    ".swagger-ui .info .link .url,.swagger-ui .info a{color:#1f63b4}"
    ".swagger-ui .json-schema-2020-12-expand-deep-button{color:#545454}"
    + "".join(
        f".swagger-ui .opblock.opblock-{method} .opblock-summary-method{{background:#{colour}}}"
        for method, colour in _METHODS.items()
    )
    + "#redoc h5{color:#595f62}#redoc .react-tabs__tab--selected.tab-error{color:#b3261e!important}</style>"
)
_THEME = (
    '{colors: {warning: {main: "#8a5200"}, responses: {error: {tabTextColor: "#ff9b94"}}},'
    ' typography: {code: {color: "#a3201c"}}}'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentSet:
    """One OpenAPI document, the routes it shows (by path prefix), and the pages that show it."""

    openapi: str
    prefix: str = ""
    swagger: tuple[str, ...] = ()
    redoc: str | None = None


def documentation_routes(
    sets: Sequence[DocumentSet],
    *,
    routes: Callable[[], Sequence[Route]],
    title: str,
    version: str,
    description: str,
    nonce: Callable[[], str],
    namespace: str = "gateway",
    assets: str = "/docs/assets",
) -> list[Route]:
    """Return the routes of all document sets; `routes` is asked at the first request, when all are declared.

    `namespace` is the gateway's name, as in the types of its problems.
    """

    def described(prefix: str) -> dict[str, Any]:
        shown = [route for route in routes() if route.path.startswith(prefix)]
        return document(shown, title=title, version=version, description=description, namespace=namespace)

    built: list[Route] = [_asset_route(name, assets) for name in _ASSETS]
    for one in sets:
        built.append(_quiet(one.openapi, _openapi_handler(partial(described, one.prefix))))
        swagger = _page_handler(_swagger_page, title, one.openapi, assets, nonce)
        built.extend(_quiet(path, swagger) for path in one.swagger)
        if one.redoc is not None:
            built.append(_quiet(one.redoc, _page_handler(_redoc_page, title, one.openapi, assets, nonce)))
    return built


def _root(request: Request) -> str:
    """Return the path that the gateway is mounted at, as a URL says it; a server or a trusted proxy says so."""
    return quote(request.scope.get("root_path", "").rstrip("/"))


def _quiet(path: str, handle: Handler) -> Route:
    return Route(path=path, handle=handle, public=True, kind="documentation", live=True)


def _openapi_handler(described: Callable[[], dict[str, Any]]) -> Handler:
    made: dict[str, tuple[WebAnswer, bytes]] = {}  # by the path that it is mounted at

    async def handle(request: Request) -> WebAnswer:
        root = _root(request)
        if root not in made:
            said = described()
            body = orjson.dumps({**said, "servers": [{"url": root}]} if root else said)
            if len(made) >= _MOST_ROOTS:
                made.clear()
            made[root] = (
                WebAnswer(200, ((b"content-type", b"application/json"), _SHORT), body),
                etag_of(body),
            )
        return conditional(*made[root], request.listed(b"if-none-match"))

    return handle


def _page_handler(
    page: Callable[[str, str, str, str], str], title: str, openapi: str, assets: str, nonce: Callable[[], str]
) -> Handler:
    async def handle(request: Request) -> WebAnswer:
        once, root = nonce(), _root(request)
        policy = (
            f"default-src 'none'; script-src 'nonce-{once}' 'strict-dynamic'; style-src 'self' 'unsafe-inline'; "
            "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; worker-src blob:; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        headers = ((b"content-security-policy", policy.encode()), (b"cache-control", b"no-store"))
        return html(page(escape(title), escape(root + openapi), escape(root + assets), once), headers=headers)

    return handle


def _asset_route(name: str, assets: str) -> Route:
    kept: list[tuple[WebAnswer, bytes]] = []

    async def handle(request: Request) -> WebAnswer:
        if not kept:
            body = (await asyncio.to_thread(_asset_file(name).read_bytes)).replace(_LOGO, _NOTHING)
            answer = WebAnswer(200, ((b"content-type", _ASSETS[name]), _FOREVER), body)
            kept.append((answer, etag_of(body)))
        return conditional(*kept[0], request.listed(b"if-none-match"))

    return _quiet(f"{assets}/{name}", handle)


def _asset_file(name: str) -> Path:
    # Found without being imported: the package would load the whole of FastAPI.
    spec = importlib.util.find_spec("fastapi_offline")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(
            "documentation pages need the package 'fastapi-offline': pip install stagedoor[docs]"
        )
    return Path(spec.submodule_search_locations[0]) / "static" / name


def _swagger_page(title: str, openapi: str, assets: str, nonce: str) -> str:
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Try the API of {title}: {openapi}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,"><link rel="stylesheet" href="{assets}/swagger-ui.css">{_CONTRAST}{_DARK}</head>
<body style="margin:0"><main id="swagger-ui"></main>
<script nonce="{nonce}" src="{assets}/swagger-ui-bundle.js"></script>
<script nonce="{nonce}">
SwaggerUIBundle({{url: "{openapi}", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIBundle.SwaggerUIStandalonePreset], tryItOutEnabled: true}})
</script></body></html>"""


def _redoc_page(title: str, openapi: str, assets: str, nonce: str) -> str:
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>The API of {title}: {openapi}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">{_CONTRAST}{_DARK}</head>
<body style="margin:0"><main id="redoc"></main>
<script nonce="{nonce}" src="{assets}/redoc.standalone.js"></script>
<script nonce="{nonce}">
Redoc.init("{openapi}", {{hideLoading: true, theme: {_THEME}}}, document.getElementById("redoc"))
</script>
</body></html>"""
