"""Settings by name: what is read, what is refused, and what is never shown."""

from typing import Any

import pytest
from pydantic import BaseModel

from stagedoor import Gateway, Settings
from stagedoor._face.settings import RESERVED, listed, settings_from, url_from
from stagedoor.errors import ConfigError
from stagedoor.testing import Client

GOOD: dict[str, list[tuple[str, object]]] = {
    "host": [("0.0.0.0", "0.0.0.0"), ("::1", "::1")],
    "port": [("0", 0), ("8080", 8080), ("65535", 65_535)],
    "redis_url": [("", ""), ("redis://h:1/0", "redis://h:1/0"), ("rediss://:p@h/0", "rediss://:p@h/0")],
    "rate_limit": [("", ""), ("100/60", "100/60")],
    "trusted_hosts": [("", ()), ("a.example, [::1],127.0.0.1", ("a.example", "[::1]", "127.0.0.1"))],
    "rate_limits": [("", ()), ("/a=1/60, /b/{c}/=2/1", ("/a=1/60", "/b/{c}/=2/1"))],
    "cors_origins": [
        ("", ()),
        ("https://a.example, https://b.example:8443", ("https://a.example", "https://b.example:8443")),
    ],
    "trusted_proxies": [("", ()), ("10.0.0.0/8,::1", ("10.0.0.0/8", "::1"))],
    "log_level": [("debug", "debug"), ("WARNING", "warning")],
    "log_format": [("text", "text"), ("JSON", "json")],
    "log_sample": [("0", 0.0), ("0.01", 0.01), ("1", 1.0)],
    "metrics": [("false", False), ("1", True), ("On", True)],
    "max_connections": [("1", 1)],
    "connections_per_client": [("0", 0), ("5", 5)],
    "cache_bytes": [("65536", 65_536)],
    "redis_prefix": [("", ""), ("shop-2", "shop-2")],
    "redis_timeout": [("0.02", 0.02), ("1", 1.0)],
    "near_cache": [("true", True), ("off", False)],
    "compression": [("true", True), ("0", False)],
    "docs_only": [("true", True), ("0", False)],
    "sentry_dsn": [("", ""), ("https://key@sentry.example/1", "https://key@sentry.example/1")],
    "sentry_environment": [("", ""), ("production", "production")],
    "sentry_traces_rate": [("0", 0.0), ("0.25", 0.25), ("1", 1.0)],
}
BAD: dict[str, list[str]] = {
    "port": ["x", "-1", "65536", "80.0", "8_0"],
    "redis_url": ["localhost:6379", "http://h"],
    "trusted_hosts": ["https://a.example", "a.example:80", "a b", "*", "-a"],
    "rate_limit": ["100", "0/60", "100/0", "-1/60", "100/60s", "1/1/1"],
    "rate_limits": ["1/60", "/a", "/a=0/60", "a=1/60", "/a=1/60,/a=2/60", "/a b=1/60"],
    "cors_origins": ["*", "a.example", "https://a.example/", "https://*.example"],
    "trusted_proxies": ["10.0.0.1/8", "proxy", "10.0.0.0/8;::1"],
    "log_level": ["loud"],
    "log_format": ["xml"],
    "log_sample": ["1.5", "-1", "all"],
    "metrics": ["maybe", "2"],
    "max_connections": ["0", "x"],
    "connections_per_client": ["-1", "x"],
    "cache_bytes": ["0", "64M"],
    "redis_prefix": ["a b", "a:b"],
    "redis_timeout": ["0", "-1", "fast"],
    "docs_only": ["maybe"],
    "sentry_traces_rate": ["2", "-0.5", "some"],
}


@pytest.mark.parametrize(
    ("name", "said", "value"), [(name, *one) for name, good in GOOD.items() for one in good]
)
def test_a_setting_is_read_by_its_name(name: str, said: str, value: object) -> None:
    """`my-shop` becomes MY_SHOP_; the others keep their defaults."""
    settings = settings_from({f"MY_SHOP_{name.upper()}": said}, "my-shop", None)

    assert getattr(settings, name) == value


@pytest.mark.parametrize(("name", "said"), [(name, one) for name, bad in BAD.items() for one in bad])
def test_a_setting_that_cannot_work_is_named_with_what_would(name: str, said: str) -> None:
    """One line that names the variable, the value and the remedy."""
    with pytest.raises(ConfigError, match=rf"^SHOP_{name.upper()}: ") as caught:
        settings_from({f"SHOP_{name.upper()}": said}, "shop", None)

    assert " must be " in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"host": ""},
        {"port": "8000"},
        {"port": True},
        {"rate_limit": 100},
        {"cors_origins": "https://a.example"},
        {"trusted_proxies": "10.0.0.0/8"},
        {"trusted_proxies": [7.5]},
        {"log_level": 10},
        {"metrics": "true"},
        {"redis_url": None},
        {"max_connections": 0},
    ],
)
def test_settings_given_as_arguments_are_held_to_the_same(options: Any) -> None:
    """Where they are written."""
    [name] = options

    with pytest.raises(ConfigError, match=rf"^Settings\({name}=\.\.\.\): "):
        Settings(**options)


@pytest.mark.parametrize("said", ["redis:secret@host", "http://:secret@host"])
def test_t15_the_secret_of_a_redis_url_is_never_shown(said: str) -> None:
    """T15: not even where it is wrong, nor in the settings' own repr."""
    with pytest.raises(ConfigError) as caught:
        settings_from({"SHOP_REDIS_URL": said}, "shop", None)

    assert "secret" not in str(caught.value)
    assert "secret" not in repr(Settings(redis_url="redis://:secret@host/0"))


@pytest.mark.parametrize("said", ["tcp://10.0.0.1:80", "udp://10.0.0.1:53"])
def test_what_kubernetes_sets_is_no_setting(said: str) -> None:
    """SHOP_PORT=tcp://... stands for a service named shop in the cluster."""
    assert settings_from({"SHOP_PORT": said}, "shop", None) == Settings()


def test_empty_means_unset() -> None:
    """As in every deployment that lists all variables."""
    env = {f"SHOP_{name.upper()}": "" for name in GOOD}

    assert settings_from(env, "shop", None) == Settings()


def test_settings_that_are_given_replace_the_environment() -> None:
    """All of them: what is written is what runs."""
    given = Settings(port=1)

    assert settings_from({"SHOP_PORT": "2"}, "shop", given) is given


@pytest.mark.parametrize(
    ("said", "default", "url"),
    [
        ("", "", ""),
        ("", "http://a:1", "http://a:1"),
        ("http://b:2/x", "http://a:1", "http://b:2/x"),
        ("unix:/run/x", "", "unix:/run/x"),
    ],
)
def test_the_environment_wins_over_the_declared_address(said: str, default: str, url: str) -> None:
    """And an empty one is unset."""
    assert url_from({"SHOP_THINGS_URL": said}, "shop", "things", default) == url


@pytest.mark.parametrize(
    "said",
    [
        "things:8001",
        "localhost",
        "ftp://a",
        "http://",
        "http://a:x",
        "http://a?b=1",
        "http://a:99999",
        "tcp://1.2.3.4:1",
    ],
)
def test_an_address_that_is_none_is_named(said: str) -> None:
    """With an example of one."""
    with pytest.raises(ConfigError, match=r"^SHOP_THINGS_URL: .* is no address; one is http://host:port"):
        url_from({"SHOP_THINGS_URL": said}, "shop", "things", "")


def test_t15_an_address_shows_no_password() -> None:
    """T15: what stands before the @ is left out."""
    with pytest.raises(ConfigError) as caught:
        url_from({"SHOP_THINGS_URL": "ftp://user:secret@host"}, "shop", "things", "")

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["redis", "port", "metrics", "host", "log_level", "rate_limit"])
def test_a_service_named_like_a_setting_is_refused(name: str) -> None:
    """SHOP_REDIS_URL would mean two things."""
    app = Gateway("shop")
    app.proxy("/", app.service(name))

    assert name in RESERVED
    with pytest.raises(ConfigError, match=rf"test_settings\.py:\d+: '{name}' is the name of a setting"):
        app.inspected()


def test_all_settings_are_listed() -> None:
    """Services first, then each setting with its default and meaning."""
    rows = listed("shop", [("things", "http://a:1")])

    assert rows[0] == ("SHOP_THINGS_URL", "http://a:1", "the address of things")
    assert {name for name, _, _ in rows[1:]} == {f"SHOP_{name.upper()}" for name in GOOD}
    assert ("SHOP_METRICS", "true", "whether /metrics is served") in rows
    assert all(meaning for _, _, meaning in rows)


class Thing(BaseModel):
    name: str


def shop(**options: Any) -> Gateway:
    app = Gateway("shop", settings=Settings(**options))

    @app.get("/thing")
    async def thing() -> Thing:
        return Thing(name="a")

    return app


async def test_a_limit_is_kept() -> None:
    """429 beyond it, with the fields of a quota; health is answered all the same."""
    async with shop(rate_limit="2/60").build() as running:
        client = Client(running)
        statuses = [(await client.ask("/thing")).status for _ in range(3)]

        assert (statuses, (await client.ask("/health/live")).status) == ([200, 200, 429], 200)


async def test_origins_may_read() -> None:
    """CORS by an allow-list."""
    async with shop(cors_origins=["https://a.example"]).build() as running:
        said = [
            (await Client(running).ask("/thing", headers=((b"origin", origin),))).header(
                b"access-control-allow-origin"
            )
            for origin in (b"https://a.example", b"https://b.example")
        ]

        assert said == [b"https://a.example", None]


async def test_metrics_can_be_left_out() -> None:
    """Then there is no such path."""
    async with shop(metrics=False).build() as running:
        assert (await Client(running).ask("/metrics")).status == 404


async def test_a_trusted_proxy_says_who_asks() -> None:
    """T17: by the peer alone, all behind a proxy would be one client."""
    async with shop(rate_limit="1/60", trusted_proxies=["192.0.2.0/24"]).build() as running:
        client = Client(running)
        fields = [((b"x-forwarded-for", b"203.0.113.%d" % number),) for number in (1, 2, 2)]
        statuses = [(await client.ask("/thing", headers=one)).status for one in fields]

        assert statuses == [200, 200, 429]


def used() -> Gateway:
    """Return a gateway with two services."""
    app = Gateway("shop")
    for name in ("accounts", "carts"):
        app.proxy(f"/{name}", app.service(name, "http://a:1"))
    return app


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("SHOP_RATE_LIMT", "SHOP_RATE_LIMIT"),
        ("SHOP_PROT", "SHOP_PORT"),
        ("SHOP_ACOUNTS_URL", "SHOP_ACCOUNTS_URL"),
        ("SHOP_CARTS_URI", "SHOP_CARTS_URL"),
        ("SHOP_LOGLEVEL", "SHOP_LOG_LEVEL"),
        ("SHOP_TRUSTED_PROXY", "SHOP_TRUSTED_PROXIES"),
    ],
)
def test_a_misspelt_setting_ends_the_start(name: str, meant: str) -> None:
    """It would be ignored, and nobody would know: a limit that is none, an address that is another's."""
    with pytest.raises(ConfigError, match=rf"^{name}: no such setting; did you mean {meant}\?$"):
        used().made(environment={name: "1"})


def test_every_name_under_the_prefix_is_the_gateways_own() -> None:
    """All that are unknown are told at once; names of others are theirs."""
    env = {
        "SHOP_XYZZY": "1",
        "SHOP_RATE_LIMT": "1/1",
        "SHOPPER_XYZZY": "1",
        "PORT": "x",
        "MY_SHOP_XYZZY": "1",
    }

    with pytest.raises(ConfigError) as caught:
        used().made(environment=env)

    assert str(caught.value).splitlines() == [
        "SHOP_RATE_LIMT: no such setting; did you mean SHOP_RATE_LIMIT?",
        "SHOP_XYZZY: no such setting; names under SHOP_ are those of the gateway 'shop'",
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("SHOP_PORT", "tcp://10.0.0.1:80"),
        ("SHOP_SERVICE_HOST", "10.0.0.1"),
        ("SHOP_SERVICE_PORT", "80"),
        ("SHOP_SERVICE_PORT_HTTP", "80"),
        ("SHOP_PORT_80_TCP", "tcp://10.0.0.1:80"),
        ("SHOP_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("SHOP_PORT_53_UDP_PROTO", "udp"),
        ("SHOP_CARTS_PORT", "tcp://10.0.0.2:80"),
        ("SHOP_CARTS_SERVICE_HOST", "10.0.0.2"),
        ("SHOP_CARTS_SERVICE_PORT", "80"),
        ("SHOP_CARTS_PORT_80_TCP_PORT", "80"),
        ("SHOP_NAME", "/web/shop"),
    ],
)
def test_what_platforms_inject_stays_ignored(name: str, said: str) -> None:
    """A namespace of Kubernetes puts an address for each of its services into every container."""
    assert used().made(environment={name: said}).settings == Settings()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("SHOP_CARTS_PORT", "8001"),
        ("SHOP_CARTS_SERVICE_HOST", "http://carts"),
        ("SHOP_CARTS_SERVICE_PORT", "http"),
        ("SHOP_PORT_80_TCP", "80"),
        ("SHOP_NAME", "shop"),
        ("SHOP_ENV_PATH", "/bin"),
    ],
)
def test_a_name_of_that_form_alone_is_no_link(name: str, said: str) -> None:
    """G2: what somebody set by hand would be ignored."""
    with pytest.raises(ConfigError, match=rf"^{name}: no such setting"):
        used().made(environment={name: said})


@pytest.mark.parametrize("name", ["host", "redis_url", "rate_limit", "max_connections"])
def test_the_value_of_a_link_is_none_for_other_settings(name: str) -> None:
    """G2: only SHOP_PORT can be the link of a service called shop."""
    env = {f"SHOP_{name.upper()}": "tcp://10.0.0.1:80"}

    with pytest.raises(ConfigError, match=rf"^SHOP_{name.upper()}: "):
        settings_from(env, "shop", None)


def test_where_settings_are_given_only_addresses_can_be_misspelt() -> None:
    """Nothing else is read from the environment then, and its names may mean something to others."""
    app = Gateway("shop", settings=Settings())
    app.proxy("/accounts", app.service("accounts", "http://a:1"))

    assert app.made(environment={"SHOP_PARENT_PID": "1", "SHOP_RATE_LIMT": "1"}).name == "shop"
    with pytest.raises(ConfigError, match=r"^SHOP_ACCOUNT_URL: .* did you mean SHOP_ACCOUNTS_URL\?$"):
        app.made(environment={"SHOP_ACCOUNT_URL": "http://a:2"})


def test_what_the_command_tells_its_processes_is_no_setting() -> None:
    """A gateway may be called stagedoor."""
    app = Gateway("stagedoor")

    assert app.made(environment={"STAGEDOOR_TARGET": "a:b", "STAGEDOOR_WATCH": "1"}).name == "stagedoor"


@pytest.mark.parametrize("name", ["rate_limits", "cors_origins", "trusted_proxies", "trusted_hosts"])
@pytest.mark.parametrize("said", [5, None, "a.example", [5], [None]])
def test_a_list_that_is_none_is_told_by_its_name(name: str, said: Any) -> None:
    """It was a traceback, or a number that was taken for an address."""
    with pytest.raises(ConfigError, match=rf"Settings\({name}=\.\.\.\): "):
        Settings(**{name: said})


@pytest.mark.parametrize("said", ["http://h:80/ ", "http://h:80\n", " http://h", "http://h/\u00e4"])
def test_an_address_with_white_space_names_its_setting(said: str) -> None:
    """A secret file ends in a line's end; which of many addresses it was is what has to be known."""
    with pytest.raises(ConfigError, match="SHOP_ACCOUNTS_URL"):
        url_from({"SHOP_ACCOUNTS_URL": said}, "shop", "accounts", "")
