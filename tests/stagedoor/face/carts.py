"""Handlers, pass-through, a source of one's own: what stands beside a screen. Run it: `stagedoor run carts:app`."""

from typing import Annotated
from urllib.parse import quote

from pydantic import BaseModel, Field

from stagedoor import Answer, Gateway, Header, Problem
from tests.stagedoor.face.shop import Cart, Item, accounts, app, carts

PAGE = Annotated[int, Field(ge=1, le=100)]


class Entry(BaseModel):
    amount: int
    currency: str


@app.get("/carts/{account_id}/items", vary={"authorization"})
async def items(account_id: str, page: PAGE = 1) -> list[Item]:
    cart = await carts.get(Cart, "/carts/{}", account_id, query={"page": page})
    return cart.items


@app.put("/carts/{account_id}/items/{sku}", status=201, purges=["home:{account_id}"])
async def put_item(
    account_id: str, sku: str, item: Item, if_match: Annotated[str, Header()] = "*"
) -> Answer[Cart]:
    if item.sku != sku:
        raise Problem(422, "sku differs from the path's", type="/problems/sku")
    cart = await carts.put(
        Cart, "/carts/{}/items/{}", account_id, sku, json=item, headers={"if-match": if_match}
    )
    return Answer(
        cart, headers={"location": f"/carts/{quote(account_id, safe='')}/items/{quote(sku, safe='')}"}
    )


@app.delete("/carts/{account_id}", purges=["home:{account_id}"])
async def empty(account_id: str) -> None:
    await carts.delete(None, "/carts/{}", account_id)


app.proxy("/avatars/{account_id}", accounts, to="/pictures/{account_id}.png")
app.proxy("/files/{rest:path}", accounts, methods={"GET", "PUT"}, limit=20_000_000)


@app.source(safe=True, attempt=0.1)
async def ledger(account_id: str) -> list[Entry]:
    """Retry, breaker and the rest stand round this as round a service."""
    return [Entry(amount=len(account_id), currency="EUR")]


more = Gateway("more")
app.include(more, prefix="/more")
