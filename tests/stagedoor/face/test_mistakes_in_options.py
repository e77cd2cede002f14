"""Mistakes of a new user in a single word or option: each ends at start, in one message with place and remedy."""

import functools
import math
from typing import Any

import pytest
from pydantic import RootModel

from stagedoor import Cache, DocumentSet, Gateway, Settings
from stagedoor.policies import Retry
from tests.stagedoor.face.mistakes import Mistakes, Page, Thing, loose, used

at_start = Mistakes()
made: Any = Gateway


@at_start(r"deadline=165 is seconds, above 0 and at most 30; 165 ms are 0\.165")
def deadline_in_milliseconds(app: Gateway) -> None:
    Gateway("other", deadline=165)


@at_start(r"attempt='80ms'|attempt is seconds, not '80ms'")
def attempt_as_text(app: Gateway) -> None:
    loose(app).service("things", attempt="80ms")


@at_start(r"limit=0 is seconds, above 0")
def limit_of_nothing(app: Gateway) -> None:
    app.aggregate("/page", Page).part(limit=0)


@at_start(r"the path is missing: write it in parentheses, as in @app\.get\('/home'\)")
def forgotten_path(app: Gateway) -> None:
    async def thing() -> Thing:
        return Thing(name="a")

    loose(app).get(thing)


@at_start(r"policies holds policies such as Retry\(\), not Retry")
def forgotten_parentheses(app: Gateway) -> None:
    loose(app).service("things", policies=[Retry])


@at_start(r"policies is a list, outermost first")
def policies_without_a_list(app: Gateway) -> None:
    loose(app).service("things", policies=Retry())


@at_start(r"cache is a Cache, as in cache=Cache\(max_age=10\), not 10")
def cache_of_a_number(app: Gateway) -> None:
    loose(app).aggregate("/page", Page, cache=10)


@at_start(r"service 'things': 'things:8001' is no address; one is http://host:port")
def url_without_scheme(app: Gateway) -> None:
    app.service("things", "things:8001")


@at_start(r"the address of a service is missing: set SHOP_THINGS_URL, or give url=")
def url_missing(app: Gateway) -> None:
    used(app)
    app.made()


@at_start(r"Cache\(tags='x'\): a list of tags, as in \['x'\]")
def tags_as_text(app: Gateway) -> None:
    loose_cache: Any = Cache
    loose_cache(max_age=1, tags="x")


@at_start(r"purges is a list of tags, as in \['x'\]")
def purges_as_text(app: Gateway) -> None:
    app.put("/page", purges="x")


@at_start(r"forward is a set of names, as in {\"authorization\"}, not 'authorization'")
def forward_as_text(app: Gateway) -> None:
    loose(app).service("things", forward="authorization")


@at_start(r"vary is a set of names, as in {\"authorization\"}, not 'authorization'")
def vary_as_text(app: Gateway) -> None:
    loose(app).aggregate("/page", Page, vary="authorization")


@at_start(r"a service's name is an identifier such as 'accounts', not 'user-service'")
def service_named_with_a_dash(app: Gateway) -> None:
    app.service("user-service")


@at_start(r"a gateway's name is lower case such as 'shop', not 'My Shop'")
def gateway_named_with_a_space(app: Gateway) -> None:
    Gateway("My Shop")


@at_start(r"a screen is a pydantic model with fields, not <class '.*Names'>")
def screen_of_a_list(app: Gateway) -> None:
    class Names(RootModel[list[str]]):
        pass

    app.aggregate("/page", Names)


@at_start(r"a screen is a pydantic model with fields, not <class 'dict'>")
def screen_of_no_model(app: Gateway) -> None:
    loose(app).aggregate("/page", dict)


@at_start(r"status=404 is that of a success, 200 to 299")
def handler_with_the_status_of_an_error(app: Gateway) -> None:
    app.post("/page", status=404)


@at_start(r"Settings\(port=\.\.\.\): '8000' must be a port from 0 to 65535")
def port_as_text(app: Gateway) -> None:
    loose_settings: Any = Settings
    loose_settings(port="8000")


@at_start(r"proxy leads to a service, not to 'things'")
def proxy_to_a_name(app: Gateway) -> None:
    loose(app).proxy("/page", "things")


@at_start(r"part decorates a function with a name, not partial")
def part_of_a_partial(app: Gateway) -> None:
    async def thing(name: str) -> Thing:
        return Thing(name=name)

    app.aggregate("/page", Page).part(functools.partial(thing, "a"))


@at_start(r"status='201' is that of a success, 200 to 299")
def status_as_text(app: Gateway) -> None:
    loose(app).post("/page", status="201")


@at_start(r"uses is a set of services and sources, as in \{accounts\}, not <Service things>")
def uses_without_a_set(app: Gateway) -> None:
    page: Any = app.aggregate("/page", Page)
    page.part(uses=app.service("things", "http://things"))


@at_start(r"deadline is seconds, not None")
def gateway_without_a_deadline(_app: Gateway) -> None:
    nothing: Any = None
    Gateway("shop", deadline=nothing)


@at_start(r"service 'things': headers: 'host' belongs to one connection: leave it out")
def headers_that_are_never_sent(app: Gateway) -> None:
    """They were dropped without a word."""
    app.service("things", "http://things", headers={"Host": "elsewhere"})


@at_start(r"headers: 'content-length' belongs to one connection: leave it out")
def headers_that_frame_every_answer(_app: Gateway) -> None:
    """Each stream without a length was answered 500."""
    Gateway("shop", headers={"Content-Length": "1"})


@at_start(r"""headers are a mapping, as in \{"x-shop": "1"\}, not \['x-a: b'\]""")
def headers_as_lines(app: Gateway) -> None:
    loose(app).service("things", headers=["x-a: b"])


@at_start(r"connect=0.0 is seconds, above 0")
def no_time_to_connect(app: Gateway) -> None:
    loose(app).service("things", connect=None)


@at_start(r"connect=nan is seconds, above 0")
def no_number_to_connect(app: Gateway) -> None:
    app.service("things", connect=math.nan)


@at_start(r"connect is seconds, not '50ms'")
def connect_as_text(app: Gateway) -> None:
    loose(app).service("things", connect="50ms")


@at_start(r"connections=0 is a whole number, 1 or more")
def no_connections(app: Gateway) -> None:
    app.service("things", connections=0)


@at_start(r"documents are DocumentSet\(\.\.\.\), not '/openapi\.json'")
def documents_as_paths(app: Gateway) -> None:
    loose_gateway: Any = Gateway
    loose_gateway("other", documents=["/openapi.json"])


@at_start(r"middleware is called with an application, which <object object at .*> cannot be")
def middleware_of_a_thing(app: Gateway) -> None:
    loose_gateway: Any = Gateway
    loose_gateway("other", middleware=[object()])


@at_start(r"test_mistakes_in_options\.py:[0-9]+: page: the field 'thing' has no part and no default")
def field_of_nobody(app: Gateway) -> None:
    @app.aggregate("/page", Page).part
    async def more() -> list[str]:
        return []


@at_start(r"coalesce is True or False, not 'no'")
def flag_of_a_service_as_a_word(app: Gateway) -> None:
    loose(app).service("things", coalesce="no")


@at_start(r"safe is True or False, not 1")
def flag_of_a_source_as_a_number(app: Gateway) -> None:
    loose(app).source(safe=1)


@at_start(r"compress is True or False, not 'gzip'")
def coding_in_place_of_a_flag(app: Gateway) -> None:
    loose(app).get("/page", compress="gzip")


@at_start(r"stale_before_partial is True or False, not 'yes'")
def flag_of_a_screen_as_a_word(app: Gateway) -> None:
    loose(app).aggregate("/page", Page, stale_before_partial="yes")


@at_start(r"deprecated is True or False, not 'since 2'")
def flag_of_a_write_as_a_word(app: Gateway) -> None:
    loose(app).post("/page", deprecated="since 2")


@at_start(r"compress is True or False, not 'br'")
def flag_of_a_passage_as_a_word(app: Gateway) -> None:
    loose(app).proxy("/page", app.service("things"), compress="br")


@at_start(r"limit='20MB' is bytes, 1 or more")
def limit_of_a_passage_as_text(app: Gateway) -> None:
    loose(app).proxy("/page", app.service("things"), limit="20MB")


@at_start(r"tags is a list of texts, not 'orders'")
def tags_of_a_route_as_a_text(app: Gateway) -> None:
    loose(app).get("/page", tags="orders")


@at_start(r"tags is a list of texts, not of 1")
def tags_of_a_screen_as_numbers(app: Gateway) -> None:
    loose(app).aggregate("/page", Page, tags=[1])


@at_start(r"version is a text, not 2")
def version_as_a_number(app: Gateway) -> None:
    made("other", version=2)


@at_start(r"exposed is a list of texts, not 'x-total'")
def exposed_as_a_text(app: Gateway) -> None:
    made("other", exposed="x-total")


@at_start(r"documents is a list, not DocumentSet")
def documents_without_a_list(app: Gateway) -> None:
    made("other", documents=DocumentSet(openapi="/api.json"))


@at_start(r"middleware: between must take the application inside of it")
def middleware_of_another_framework(app: Gateway) -> None:
    async def between(request: object, call_next: object) -> object:
        return (request, call_next)

    made("other", middleware=[between])


@at_start(r"reserve=1 leaves nothing of the deadline, 0\.5 s, for parts")
def reserve_of_all_the_time(app: Gateway) -> None:
    page = app.aggregate("/page", Page, reserve=1)

    @page.part
    async def thing() -> Thing:
        return Thing(name="a")


@pytest.mark.parametrize("name", at_start.names)
def test_a_wrong_option_is_told_at_start_with_place_and_remedy(name: str) -> None:
    """One line that names file and line, and what would be right; the class of a missing URL has no line."""
    said = at_start.told(name)

    assert len(said.splitlines()) == 1, said
