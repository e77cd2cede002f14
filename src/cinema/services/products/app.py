"""Answer what is sold."""

from functools import partial

from fastapi import HTTPException, Request
from starlette.responses import Response
from starlette.types import ASGIApp

from cinema.database.tables import product
from cinema.services.answers import json_answer
from cinema.services.frame import open_frame
from cinema.services.identifiers import PathId
from cinema.services.journal import Journal
from cinema.services.paging import Limit, Offset, page_answer
from cinema.services.products import queries
from cinema.services.products.models import Batch, Product
from cinema.settings import Settings

__all__ = ["build"]


def build(settings: Settings, journal: Journal) -> ASGIApp:
    """Build the product service."""
    frame = open_frame(settings, journal, "product-service", "Products and what they cost", product)
    app, read = frame.app, frame.database.read

    @app.get("/products", response_model=list[Product], summary="All products, in pages")
    async def list_products(request: Request, limit: Limit = 100, offset: Offset = 0) -> Response:
        return page_answer(request, await read(partial(queries.page, limit=limit, offset=offset)))

    @app.post("/products/batch", response_model=list[Product], summary="The known ones of several products")
    async def batch(wanted: Batch) -> Response:
        return json_answer(await read(partial(queries.known, product_ids=wanted.product_ids)))

    # `:path` because an id may hold an encoded slash; it never reaches another route.
    @app.get("/products/{product_id:path}", response_model=Product, summary="One product")
    async def get_product(product_id: PathId) -> Response:
        found = await read(partial(queries.find, product_id=product_id))
        if found is None:
            raise HTTPException(404, "product not found")
        return json_answer(found)

    return frame.finish()
