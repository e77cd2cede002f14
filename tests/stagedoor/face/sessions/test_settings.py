"""What an operator says: by the environment, by files, or as arguments; what cannot work ends the start, by name."""

import base64
import secrets
from pathlib import Path
from typing import Any

import pytest

from stagedoor import Gateway, Sessions, SessionSettings
from stagedoor._guards.sessions.cookies import cookie_name, login_cookie
from stagedoor.errors import ConfigError
from stagedoor.testing import Stage
from tests.stagedoor.face.sessions.browser import app, environment, opened
from tests.stagedoor.face.sessions.provider import SECRET, Provider

KEY = base64.urlsafe_b64encode(b"k" * 32).rstrip(b"=").decode()
WRONG = [
    ("ISSUER", "login.example"),
    ("ISSUER", "http://login.example"),
    ("ISSUER", "https://login.example?x=1"),
    ("ISSUER", "https://ann:canary@login.example"),
    ("ISSUER", "https://login.example/\nx"),
    ("CLIENT_ID", "\u00e9"),
    ("CLIENT_SECRET", "canary\u00e9"),
    ("BASE_URL", "http://shop.example"),
    ("BASE_URL", "https://"),
    ("BASE_URL", "https://shop.example?x"),
    ("BASE_URL", "https://shop.example#x"),
    ("KEY", "canary"),
    ("KEY", f"{KEY},canary"),
    ("KEY", KEY[:-2]),
    ("KEY_FILE", "/no/such/file"),
    ("CLIENT_SECRET_FILE", "/no/such/file"),
    ("STORE", "disk"),
    ("STORE", "redis"),
    ("SCOPES", "profile"),
    ("SCOPES", 'openid,"'),
    ("ALGORITHMS", "HS256"),
    ("ALGORITHMS", "none"),
    ("LEEWAY", "-1"),
    ("LEEWAY", "601"),
    ("IDLE", "0"),
    ("IDLE", "x"),
    ("IDLE", "1e3"),
    ("LIFETIME", "60"),
    ("LIFETIME", "99999999"),
]


@pytest.mark.parametrize(("name", "said"), WRONG)
def test_a_setting_that_cannot_work_ends_the_start_by_its_name(name: str, said: str) -> None:
    """T15: what may be a secret is not repeated."""
    variables = {**environment(Provider()), f"SHOP_WEB_{name}": said}

    with pytest.raises(ConfigError) as told:
        app.made(environment=variables, reachable=False)

    assert f"SHOP_WEB_{name}" in str(told.value)
    assert "canary" not in str(told.value)


@pytest.mark.parametrize("name", ["ISSUER", "CLIENT_ID", "CLIENT_SECRET", "BASE_URL"])
def test_one_that_is_missing_is_named(name: str) -> None:
    """Some are there, so that others were forgotten."""
    variables = environment(Provider())
    del variables[f"SHOP_WEB_{name}"]

    with pytest.raises(ConfigError, match=f"SHOP_WEB_{name}"):
        app.made(environment=variables, reachable=False)


def test_all_that_are_needed_are_named_where_there_are_none() -> None:
    """As for other guards."""
    urls = {f"SHOP_{name}_URL": "http://127.0.0.1:1" for name in ("ORDERS", "CATALOG", "LEGACY")}

    with pytest.raises(ConfigError, match="SHOP_WEB_ISSUER, SHOP_WEB_CLIENT_ID, SHOP_WEB_CLIENT_SECRET"):
        app.made(environment=urls)


def test_a_secret_is_said_once() -> None:
    """Which of the two is meant must not be a matter of order."""
    with pytest.raises(ConfigError, match="SHOP_WEB_CLIENT_SECRET_FILE"):
        app.made(environment=environment(Provider(), CLIENT_SECRET_FILE="/x"), reachable=False)


def test_redis_needs_a_key_that_all_processes_have() -> None:
    """W1: one made up would be another in each."""
    with pytest.raises(ConfigError, match="SHOP_WEB_KEY"):
        app.made(environment=environment(Provider(), STORE="redis://127.0.0.1:1/0"), reachable=False)
    variables = {"SHOP_REDIS_URL": "redis://127.0.0.1:1/0", **environment(Provider())}
    with pytest.raises(ConfigError, match="SHOP_WEB_KEY"):
        app.made(environment=variables, reachable=False)


async def test_secrets_come_from_files(tmp_path: Path) -> None:
    """As they are mounted, with a line end."""
    secret, key = tmp_path / "secret", tmp_path / "key"
    secret.write_text(f"{SECRET}\n")
    key.write_text(f"{KEY}\n{secrets.token_urlsafe(32)}\n")
    provider = Provider()
    async with opened(provider, CLIENT_SECRET="", CLIENT_SECRET_FILE=str(secret), KEY_FILE=str(key)) as shop:
        answer = await shop.browser(provider).login()

        assert answer.status == 303


def test_workers_need_sessions_that_they_share() -> None:
    """In memory each would have its own, and a browser would be logged in now and then."""
    variables = {**environment(Provider()), "SHOP_WEB_STORE": "memory"}
    alone = app.made(environment=variables, reachable=False).guards
    shared = app.made(
        environment={**variables, "SHOP_WEB_STORE": "redis://127.0.0.1:1/0", "SHOP_WEB_KEY": KEY},
        reachable=False,
    ).guards
    alone.validate_workers(1)
    shared.validate_workers(4)

    with pytest.raises(
        ConfigError, match="SHOP_WEB_STORE: sessions in memory are those of one process; 4 workers"
    ):
        alone.validate_workers(4)


def test_an_empty_file_is_no_secret(tmp_path: Path) -> None:
    """It would be a client without one."""
    file = tmp_path / "secret"
    file.write_text("\n")
    variables = environment(Provider(), CLIENT_SECRET="", CLIENT_SECRET_FILE=str(file))

    with pytest.raises(ConfigError, match="SHOP_WEB_CLIENT_SECRET_FILE: the file is empty"):
        app.made(environment=variables, reachable=False)


async def test_settings_as_arguments_replace_the_environment() -> None:
    """For a test, or a gateway of a library's own."""
    said = SessionSettings(
        issuer="https://login.example", client_id="c", client_secret="canary", base_url="https://shop.example"
    )
    one = Gateway("own")

    @one.get("/me", guard=Sessions("web", settings=said))
    async def me() -> str:
        return "me"

    async with Stage(one) as stage:
        answer = await stage.get("/me")

        assert answer.status == 401
    assert "canary" not in repr(said)


@pytest.mark.parametrize(
    "said",
    [
        {"issuer": "x"},
        {"base_url": "https://shop.example/"},
        {"keys": "k"},
        {"idle": float("nan")},
        {"algorithms": ()},
        {"scopes": "openid"},
    ],
)
def test_arguments_are_named_as_such(said: dict[str, Any]) -> None:
    """`SessionSettings(issuer=...)`, not a variable that nobody set."""
    good = {"issuer": "https://a", "client_id": "c", "client_secret": "s", "base_url": "https://b"}

    with pytest.raises(ConfigError, match=rf"SessionSettings\({next(iter(said))}="):
        SessionSettings(**(good | said))


@pytest.mark.parametrize(
    ("base", "origin"),
    [
        ("https://shop.example", "https://shop.example"),
        ("https://Shop.Example:443", "https://shop.example"),
        ("https://shop.example:8443/below", "https://shop.example:8443"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://[::1]:80", "http://[::1]"),
    ],
)
def test_the_origin_is_written_as_browsers_write_it(base: str, origin: str) -> None:
    """RFC 6454 6.2: it is compared byte for byte."""
    said = SessionSettings(issuer="https://a", client_id="c", client_secret="s", base_url=base)

    assert said.origin == origin


def test_settings_are_listed() -> None:
    """`stagedoor settings`, and what a misspelt name meant."""
    names = [name for name, _, _ in Sessions("web").variables("shop")]

    assert names[:2] == ["SHOP_WEB_ISSUER", "SHOP_WEB_CLIENT_ID"]
    assert len(names) == 13
    with pytest.raises(ConfigError, match="SHOP_WEB_ISSUR: no such setting; did you mean SHOP_WEB_ISSUER"):
        app.made(environment={"SHOP_WEB_ISSUR": "x"}, reachable=False)


@pytest.mark.parametrize("path", ["auth", "/", "/auth/", "/Auth", "/a//b", "/{x}", 7, ""])
def test_the_path_is_a_plain_one(path: Any) -> None:
    """It stands in an address that the provider knows."""
    with pytest.raises(ConfigError, match="path="):
        Sessions("web", path=path)


def test_sessions_of_one_name_have_one_path() -> None:
    """They share settings, a cookie and routes."""
    one = Gateway("twice")

    @one.get("/a", guard=Sessions("web"))
    async def a() -> str:
        return "a"

    @one.get("/b", guard=Sessions("web", path="/other"))
    async def b() -> str:
        return "b"

    with pytest.raises(ConfigError, match="'web' is declared already, and otherwise"):
        one.looked_at(reachable=False)


def test_no_two_sessions_share_a_cookie() -> None:
    """W2: else who logs in by the one would be logged out of the other, whose name is nearly its own."""
    names = {made(name) for name in ("web", "web-login") for made in (cookie_name, login_cookie)}

    assert len(names) == 4


def test_their_routes_are_nobody_elses() -> None:
    """Found at the start, with both places."""
    one = Gateway("taken")

    @one.get("/auth/login", guard=Sessions("web"))
    async def login() -> str:
        return "a"

    with pytest.raises(ConfigError, match="GET /auth/login is declared already"):
        one.looked_at(reachable=False)


def test_a_gateway_without_settings_can_be_looked_at() -> None:
    """`stagedoor check`, `routes` and `openapi` need no provider."""
    document = _document()
    operations = {f"{method} {path}" for path, one in document["paths"].items() for method in one}

    assert {"get /auth/login", "get /auth/callback", "post /auth/logout"} <= operations


def _document() -> dict[str, Any]:
    from stagedoor._web.openapi import document  # noqa: PLC0415

    return document(app.looked_at(reachable=False).web.routes, title="shop", version="1")


def test_documents_tell_of_the_cookie() -> None:
    """OpenAPI 4.8.27; 403 where a page of somebody else's is refused."""
    said = _document()
    read, write = said["paths"]["/me"]["get"], said["paths"]["/orders"]["post"]

    assert said["components"]["securitySchemes"]["web"] == {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Host-web",
    }
    assert read["security"] == [{"web": []}]
    assert "403" not in read["responses"]
    assert {"401", "403", "503"} <= set(write["responses"])
    assert said["paths"]["/admin"]["get"]["security"] == [{"web": ["admin"]}]


async def test_where_only_documents_are_served_nobody_logs_in() -> None:
    """As everything that asks something: 503."""
    provider = Provider()
    async with opened(provider, variables={"SHOP_DOCS_ONLY": "true"}) as shop:
        browser = shop.browser(provider)
        answers = [await browser.get("/auth/login"), await browser.get("/auth/callback?state=x&code=y")]
        answers += [await browser.post("/auth/logout"), await browser.get("/home")]

        assert [one.status for one in answers] == [503] * 4
        assert provider.asked == []


async def test_a_key_is_changed_without_logging_anybody_out() -> None:
    """W1: the old one follows the new one for as long as a session may last."""
    from stagedoor._guards.sessions.sealing import Seal  # noqa: PLC0415

    old, new = b"o" * 32, b"n" * 32
    sealed = Seal([old]).seal(b"text", b"whose")

    assert Seal([new, old]).open(sealed, b"whose") == b"text"
    assert Seal([new]).open(sealed, b"whose") is None
    assert Seal([old]).open(sealed, b"others") is None
    assert Seal([old]).open(b"", b"whose") is None
    assert Seal([new, old]).seal(b"text", b"whose") != Seal([new, old]).seal(b"text", b"whose")
