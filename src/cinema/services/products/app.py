"""Answer what is sold."""

from functools import partial

from fastapi import HTTPException, Request
from starlette.responses import Response

from cinema.database.tables import product
from cinema.services.answers import json_answer
from cinema.services.direct import BodyRoute, PathRoute
from cinema.services.frame import open_frame
from cinema.services.identifiers import PathId
from cinema.services.paging import Limit, Offset, page_answer
from cinema.services.products import queries
from cinema.services.products.models import Batch, Product
from cinema.settings import Settings
from stagedoor._observers.logs import LogStream
from stagedoor._web.middleware import RequestMiddleware

__all__ = ["build"]


def build(settings: Settings, *, stream: LogStream | None = None) -> RequestMiddleware:
    """Build the product service."""
    frame = open_frame(settings, stream, "product-service", "Products and what they cost", product)
    app, read = frame.app, frame.database.read

    @app.get("/products", response_model=list[Product], summary="All products, in pages")
    async def list_products(request: Request, limit: Limit = 100, offset: Offset = 0) -> Response:
        return page_answer(request, await read(partial(queries.page, limit=limit, offset=offset)))

    async def batch(wanted: Batch) -> Response:
        return json_answer(await read(partial(queries.known, product_ids=wanted.product_ids)))

    async def only_post(_: Request) -> Response:
        raise HTTPException(405, headers={"Allow": "POST"})

    async def get_product(product_id: PathId) -> Response:
        found = await read(partial(queries.find, product_id=product_id))
        if found is None:
            raise HTTPException(404, "product not found")
        return json_answer(found)

    app.router.add_api_route(
        "/products/batch",
        batch,
        response_model=list[Product],
        summary="The known ones of several products",
        methods=["POST"],
        route_class_override=BodyRoute,
    )
    # Contract 1.2: the path is known and the method wrong; without this it would be a product's id.
    app.add_api_route("/products/batch", only_post, include_in_schema=False)
    # `:path` because an id may hold an encoded slash; it never reaches another route.
    app.router.add_api_route(
        "/products/{product_id:path}",
        get_product,
        response_model=Product,
        summary="One product",
        methods=["GET"],
        route_class_override=PathRoute,
    )
    return frame.finish()
