"""A home screen from three services. Run it: `stagedoor run shop:app`, or `uvicorn shop:app`.

Settings: SHOP_ACCOUNTS_URL, SHOP_CARTS_URL, SHOP_RECS_URL.
"""

from decimal import Decimal

from pydantic import BaseModel

from stagedoor import Cache, Gateway, OrFallback

app = Gateway("shop", deadline=0.5)
accounts = app.service("accounts", forward={"authorization"})
carts = app.service("carts", forward={"authorization"})
recs = app.service("recs")


class Account(BaseModel):
    id: str
    name: str
    segment: str


class Item(BaseModel):
    sku: str
    qty: int


class Cart(BaseModel):
    items: list[Item] = []


class Recommendation(BaseModel):
    sku: str
    why: str


class Price(BaseModel):
    amount: Decimal
    currency: str


class Home(BaseModel):
    account: Account  # no default: without it there is no page
    cart: Cart = Cart()  # a default: what stands in for it
    recommendations: list[Recommendation] = []
    prices: dict[str, Price] = {}


kept = Cache(max_age=10, stale_if_error=60, tags=["home:{account_id}"])
home = app.aggregate("/home/{account_id}", Home, vary={"authorization"}, cache=kept)


@home.part
async def account(account_id: str) -> Account:
    return await accounts.get(Account, "/accounts/{}", account_id)


@home.part
async def cart(account_id: str) -> Cart:
    return await carts.get(Cart, "/carts/{}", account_id, absent=Cart())


@home.part
async def recommendations(account: Account, cart: OrFallback[Cart]) -> list[Recommendation]:
    asked = {"segment": account.segment, "sku": [item.sku for item in cart.items]}
    return await recs.get(list[Recommendation], "/recommendations", query=asked)


@home.part
async def prices(cart: Cart) -> dict[str, Price]:
    return await recs.post(
        dict[str, Price], "/prices", json={"skus": [item.sku for item in cart.items]}, safe=True
    )
