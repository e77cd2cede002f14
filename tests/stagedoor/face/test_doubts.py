"""What `check` finds doubtful in the code of parts and in paths."""

from stagedoor import Gateway, tag
from tests.stagedoor.face.mistakes import used


def test_an_f_string_for_a_template_is_doubtful() -> None:
    """Its values are not encoded, and each makes a metric of its own."""
    app = Gateway("shop")
    service = used(app)

    @app.get("/one/{uid}")
    async def one(uid: str) -> str:
        tag(f"one:{uid}")
        return await service.get(str, f"/one/{uid}")  # type: ignore[no-any-return]

    @app.get("/two/{uid}")
    async def two(uid: str) -> str:
        tag("two:{}", uid)
        return f"{await service.get(str, '/two/{}', uid)}"

    doubts = app.inspected().doubts

    assert [doubt.split(": ")[1] for doubt in doubts] == ["tag(f'...')", "service.get(f'...')"]


def test_a_proxy_of_a_slash_alone_is_doubtful() -> None:
    """What is below it is not passed through, as elsewhere it would be."""
    app = Gateway("shop")
    app.proxy("/files/", app.service("files"))

    (doubt,) = app.inspected().doubts

    assert "proxy /files/ is that path alone: what is below it is /files/{rest:path}" in doubt
