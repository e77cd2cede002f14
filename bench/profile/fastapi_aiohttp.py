"""The peer in Python, as a careful team would write it by hand.

FastAPI with a response model, one `ClientSession` with keep-alive, `gather`, upstream bytes validated straight into
pydantic models. Run by uvicorn on uvloop and httptools, without an access log.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Final
from urllib.parse import quote

import aiohttp
from fastapi import FastAPI, HTTPException, Path, Request
from pydantic import BaseModel, TypeAdapter, ValidationError

USERS: Final = os.environ["USERS_URL"]
ORDERS: Final = os.environ["ORDERS_URL"]
PRODUCTS: Final = os.environ["PRODUCTS_URL"]
DEADLINE: Final = int(os.environ["DEADLINE_MS"]) / 1000
CACHE_TTL: Final = 30


class User(BaseModel):
    id: str
    username: str
    email: str
    full_name: str
    is_active: bool
    created_at: datetime


class Item(BaseModel):
    product_id: str
    quantity: int
    price: float


class Order(BaseModel):
    id: str
    user_id: str
    status: str
    total_amount: float
    items: list[Item]
    created_at: datetime


class Product(BaseModel):
    id: str
    name: str
    description: str
    price: float
    category: str
    stock_quantity: int


class Metadata(BaseModel):
    user_id: str
    orders_count: int
    products_count: int
    aggregated_at: datetime
    aggregation_time_ms: float
    cache_ttl: int
    cached: bool
    services_used: int
    response_time_ms: float


class Profile(BaseModel):
    user: User
    orders: list[Order]
    products: dict[str, Product]
    metadata: Metadata


ORDER_LIST = TypeAdapter(list[Order])
PRODUCT_LIST = TypeAdapter(list[Product])
FAILURES = (aiohttp.ClientError, TimeoutError, ValidationError)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    connector = aiohttp.TCPConnector(limit=0, limit_per_host=100, keepalive_timeout=75)
    timeout = aiohttp.ClientTimeout(total=DEADLINE)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, raise_for_status=True) as session:
        app.state.session = session
        yield


app = FastAPI(lifespan=lifespan)


async def user_of(session: aiohttp.ClientSession, user_id: str) -> User:
    try:
        async with session.get(f"{USERS}/users/{quote(user_id, safe='')}") as answer:
            return User.model_validate_json(await answer.read())
    except aiohttp.ClientResponseError as error:
        if error.status == 404:
            raise HTTPException(404, "user not found") from error
        raise HTTPException(503, "users unavailable") from error
    except FAILURES as error:
        raise HTTPException(503, "users unavailable") from error


async def orders_of(session: aiohttp.ClientSession, user_id: str) -> list[Order]:
    async with session.get(f"{ORDERS}/orders/user/{quote(user_id, safe='')}") as answer:
        return ORDER_LIST.validate_json(await answer.read())


async def products_of(session: aiohttp.ClientSession, orders: Sequence[Order]) -> dict[str, Product]:
    ids = list(dict.fromkeys(item.product_id for order in orders for item in order.items))
    if not ids:
        return {}
    async with session.post(f"{PRODUCTS}/products/batch", json={"product_ids": ids}) as answer:
        return {product.id: product for product in PRODUCT_LIST.validate_json(await answer.read())}


async def ordered_by(session: aiohttp.ClientSession, user_id: str) -> tuple[list[Order], dict[str, Product]]:
    """Orders and products are optional: their failure empties them."""
    try:
        orders = await orders_of(session, user_id)
    except FAILURES:
        return [], {}
    try:
        return orders, await products_of(session, orders)
    except FAILURES:
        return orders, {}


@app.get("/api/profile/{user_id}")
async def profile(user_id: Annotated[str, Path(min_length=1, max_length=128)], request: Request) -> Profile:
    started = time.perf_counter()
    session: aiohttp.ClientSession = request.app.state.session
    user, (orders, products) = await asyncio.gather(user_of(session, user_id), ordered_by(session, user_id))
    elapsed = (time.perf_counter() - started) * 1000
    metadata = Metadata(
        user_id=user_id,
        orders_count=len(orders),
        products_count=len(products),
        aggregated_at=datetime.now(UTC),
        aggregation_time_ms=elapsed,
        cache_ttl=CACHE_TTL,
        cached=False,
        services_used=3,
        response_time_ms=elapsed,
    )
    return Profile(user=user, orders=orders, products=products, metadata=metadata)
