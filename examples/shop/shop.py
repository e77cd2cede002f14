"""A shop: three screens, a write, pictures passed through; with health, metrics, logs. Run: `stagedoor run shop:app`.

Settings: SHOP_ACCOUNTS_URL and so on, SHOP_CORS_ORIGINS=https://app.example.com, SHOP_RATE_LIMIT=100/60.
"""

from typing import Annotated

from pydantic import BaseModel, Field
from stagedoor import Cache, Gateway, OrFallback

app = Gateway("shop", deadline=0.5)
accounts = app.service("accounts", forward={"authorization"})
carts = app.service("carts", forward={"authorization"})
catalog = app.service("catalog", cache=Cache(max_age=60, stale_if_error=600))


class Account(BaseModel):
    name: str
    segment: str


class Item(BaseModel):
    sku: str
    qty: Annotated[int, Field(ge=1, le=99)] = 1


class Cart(BaseModel):
    items: list[Item] = []


class Film(BaseModel):
    title: str


class Home(BaseModel):
    account: Account
    cart: Cart = Cart()
    tips: list[str] = []


class FilmPage(BaseModel):
    film: Film
    similar: list[Film] = []


class Results(BaseModel):
    films: list[Film]


kept = Cache(max_age=10, stale_if_error=60, tags=["home:{account_id}"])
home = app.aggregate("/home/{account_id}", Home, vary={"authorization"}, cache=kept)
film_page = app.aggregate("/films/{sku}", FilmPage)
results = app.aggregate("/films", Results, cache=Cache(max_age=30))


@home.part
async def account(account_id: str) -> Account:
    return await accounts.get(Account, "/accounts/{}", account_id)


@home.part
async def cart(account_id: str) -> Cart:
    return await carts.get(Cart, "/carts/{}", account_id, absent=Cart())


@home.part
async def tips(account: Account, cart: OrFallback[Cart]) -> list[str]:
    skus = [item.sku for item in cart.items]
    return await catalog.get(list[str], "/tips", query={"segment": account.segment, "sku": skus})


@film_page.part
async def film(sku: str) -> Film:
    return await catalog.get(Film, "/films/{}", sku)


@film_page.part
async def similar(sku: str, count: Annotated[int, Field(ge=1, le=20)] = 5) -> list[Film]:
    return await catalog.get(list[Film], "/films/{}/similar", sku, query={"count": count})


@results.part
async def films(query: str, page: Annotated[int, Field(ge=1)] = 1) -> list[Film]:
    return await catalog.get(list[Film], "/films", query={"q": query, "page": page})


@app.put("/carts/{account_id}/items/{sku}", status=201, purges=["home:{account_id}"])
async def put_item(account_id: str, sku: str, item: Item) -> Cart:
    return await carts.put(Cart, "/carts/{}/items/{}", account_id, sku, json=item)


app.proxy("/avatars/{account_id}", accounts, to="/pictures/{account_id}.png")
