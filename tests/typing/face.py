"""What is refused of a gateway's declaration, line by line: checked by mypy and pyright, never run.

An expected error carries an ignore, which both checkers honour, and which both report when it is not needed.
"""
# pyright: strict, reportUnnecessaryTypeIgnoreComment=true, reportUnusedCoroutine=false, reportUnusedExpression=false
# pyright: reportUnusedFunction=false, reportUnknownMemberType=false

from typing import Any, assert_type

from stagedoor import Answer, ApiKeys, Cache, Cookie, Gateway, Jwt, Result, Service, Sessions
from stagedoor.testing import Stage
from tests.stagedoor.face.shop import Account, Cart, Home, accounts, app, carts, home


@home.part
async def a(account_id: str) -> Cart:
    return await accounts.get(Account, "/accounts/{}", account_id)  # type: ignore[arg-type]


async def calls() -> None:
    cart: Cart = await carts.get(Cart, "/carts", absent=Account(id="1", name="a", segment="s"))  # type: ignore[arg-type]
    await carts.get("Cart", "/carts")  # type: ignore[call-overload]
    await carts.fetch(Cart, "/carts")  # type: ignore[attr-defined]
    (await carts.get(Cart, "/carts")).itens  # type: ignore[attr-defined]
    await carts.post(Cart, "/carts")  # type: ignore[call-overload]
    await carts.get(Cart, f"/carts/{cart.items}")  # pyright: ignore[reportArgumentType]
    await carts.request("PUT", "/carts", body="text")  # type: ignore[arg-type]


app.aggregate("/x", int)  # type: ignore[type-var]
app.service("x", forward="authorization", retries=3)  # type: ignore[call-arg, arg-type]
Cache(10)  # type: ignore[call-arg]


@home.part  # type: ignore[arg-type]
def c(account_id: str) -> Cart:
    return Cart()


home.part(limit="1")(a)  # type: ignore[call-overload]
app.proxy("/x", "carts")  # type: ignore[arg-type]
app.proxy("/x", carts, methods={"TRACE"})  # type: ignore[arg-type]
app.get("/x", guard="members")  # type: ignore[arg-type]
Jwt("x", claims=dict)  # type: ignore[arg-type]
Jwt("x", scopes=["a"])  # type: ignore[arg-type]
app.service("y", forward={Sessions("x"), Cookie("sid"), "x-tenant"})
app.service("z", forward={Jwt("x")})  # type: ignore[arg-type]
Sessions("x", settings={})  # type: ignore[arg-type]
ApiKeys("x", claims=Cart)  # type: ignore[call-arg]
Answer(1, cookies=7)  # type: ignore[arg-type]
Cookie(7)  # type: ignore[arg-type]
Gateway("x", deadline="1")  # type: ignore[arg-type]


@app.source(safe=True)
async def ledger(account_id: str) -> list[int]:
    return []


@app.source
async def plain(account_id: str) -> list[int]:
    return []


@app.put("/y/{account_id}")
async def put(account_id: str) -> Answer[Cart]:
    return Answer(Cart())


async def what_comes_back(untyped: dict[str, Any]) -> None:
    """Types go through: of services, sources, screens and handlers."""
    assert_type(accounts, Service)
    assert_type(await accounts.get(list[Account], "/accounts"), list[Account])
    assert_type(await accounts.put(None, "/accounts", json=untyped), None)
    assert_type(await ledger("1"), list[int])
    assert_type(await plain("1"), list[int])
    await ledger(1)  # type: ignore[arg-type]
    await plain(1)  # type: ignore[arg-type]
    assert_type(await put("1"), Answer[Cart])
    result = await home.run(account_id="1")
    assert_type(result, Result[Home])
    assert_type(result.value.cart, Cart)
    async with Stage(app) as stage:
        answer = await stage.get("/home/1", authorization="Bearer ann")
        assert_type(answer.read(Home), Home)
        assert_type(stage.credentials(Jwt("x"), "ann"), dict[str, str])
        stage["carts"].fails()  # type: ignore[index]
