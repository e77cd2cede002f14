"""The command line on small gateways written into a folder of their own."""

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from stagedoor.cli import app

Written = Callable[[str], str]

GATEWAY = """
    from dataclasses import dataclass
    from tests.declared import Aggregate
    from stagedoor.policies.hedge import Hedge
    from stagedoor.policies.retry import Retry
    from stagedoor.policies.timeout import Timeout

    @dataclass
    class Remote:
        name: str
        policies: tuple

    @dataclass
    class Source:
        upstreams: tuple

    @dataclass
    class Route:
        path: str
        method: str = "GET"
        kind: str = "aggregate"
        public: bool = True
        cached: float | None = None

    @dataclass
    class Gateway:
        plans: tuple = ()
        upstreams: tuple = ()
        routes: tuple = ()
        deadline: float = 0.5

    @dataclass
    class Page:
        head: str
        tail: str

    def page(budget):
        aggregate = Aggregate(Page, budget=budget)
        @aggregate.part(required=True)
        async def head(source: Source) -> str: ...
        @aggregate.part(fallback="")
        async def tail(head: str, source: Source) -> str: ...
        return aggregate

    def served(budget, *policies):
        remote = Remote("shop", policies)
        plan = page(budget).plan(sources={"source": Source((remote,))}, values={})
        return Gateway((plan,), (remote,), (Route("/page", cached=30.0), Route("/mine", public=False)))
"""


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Written:
    """Give what writes a module into the folder we stand in; returns its name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.dont_write_bytecode", True)

    def write(code: str) -> str:
        name = f"gateway_{abs(hash((str(tmp_path), code))):x}"
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(GATEWAY) + textwrap.dedent(code))
        return name

    return write


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_g3_check_shows_each_part_its_path_and_the_amplification(written: Written) -> None:
    """G3: with figures: 80 ms a part, 160 ms of 165 on the longest path, two calls for one."""
    module = written("app = served(0.165, Retry(attempts=2), Timeout(attempt=0.08))")

    result = run("check", f"{module}:app")

    assert result.exit_code == 0, result.output
    for text in ("160 ms of 165 ms", "head → tail", "shop", "1.20", "no findings"):
        assert text in result.output


def test_g3_a_plan_that_cannot_keep_its_budget_fails_with_file_part_and_figure(written: Written) -> None:
    """G3: exit code 1, the line of the part, and no traceback."""
    module = written("app = served(0.1, Timeout(attempt=0.08))")

    result = run("check", f"{module}:app")

    assert result.exit_code == 1
    assert f"{module}.py:" in result.output
    assert "page.tail: the path head → tail takes 160 ms" in result.output
    assert "Traceback" not in result.output


def test_g3_doubtful_amplification_is_a_finding_with_its_part(written: Written) -> None:
    """O5, A9: what one call may become, and what failing calls may grow to."""
    module = written(
        "app = served(0.5, Hedge(delay=0.01, copies=3), Retry(attempts=2), Timeout(attempt=0.08))"
    )

    result = run("check", f"{module}:app")

    assert result.exit_code == 1
    assert "page.head: upstream 'shop': one call may become 6" in result.output
    assert "grow to 1.26 times" in result.output


def test_an_upstream_that_no_part_stands_before_is_checked_as_well(written: Written) -> None:
    """A pass-through route repeats calls like any other."""
    module = written("app = Gateway(upstreams=(Remote('memes', (Retry(attempts=5), Timeout(attempt=0.1))),))")

    result = run("check", f"{module}:app")

    assert result.exit_code == 1
    assert "upstream 'memes': one call may become 5" in result.output


def test_g3_an_upstream_that_nobody_closes_is_a_finding(written: Written) -> None:
    """A part uses it, and the gateway does not own it."""
    module = written("""
        app = served(0.4, Retry(), Timeout(attempt=0.08))
        app.upstreams = ()
    """)

    result = run("check", f"{module}:app")

    assert result.exit_code == 1
    assert "upstream 'shop' is none of the gateway's own, so that nobody closes it" in result.output


def test_g3_a_budget_above_the_deadline_is_a_finding(written: Written) -> None:
    """The deadline would end what the plan says there is time for."""
    module = written("""
        app = served(0.4, Retry(), Timeout(attempt=0.08))
        app.deadline = 0.3
    """)

    result = run("check", f"{module}:app")

    assert result.exit_code == 1
    assert "page: the budget of 400 ms is above the deadline of 300 ms" in result.output


def test_a_declaration_error_while_importing_is_a_finding_at_its_line(written: Written) -> None:
    """The line of whoever declared it, not the kit's."""
    module = written("policy = Timeout(attempt=0)\napp = Gateway()")

    for command in ("check", "routes"):
        result = run(command, f"{module}:app")
        assert result.exit_code == 1
        assert f"{module}.py:" in result.output
        assert "attempt must be seconds above 0" in result.output
        assert "Traceback" not in result.output


def test_a_function_without_arguments_is_called_for_the_gateway(written: Written) -> None:
    """A factory serves as well as an object; so does a gateway without aggregates or upstreams."""
    module = written("def build():\n    return Gateway()")

    result = run("check", f"{module}:build")

    assert result.exit_code == 0, result.output
    assert "no findings" in result.output


def test_routes_are_listed_with_who_may_see_them_and_how_long_they_are_kept(written: Written) -> None:
    """One line a route."""
    module = written("app = served(0.2, Timeout(attempt=0.08))")

    result = run("routes", f"{module}:app")

    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert any("/page" in line and "public" in line and "30 s" in line for line in lines)
    assert any("/mine" in line and "per identity" in line for line in lines)


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("no_such_module:app", "cannot import"),
        ("{module}:nothing", "has no 'nothing'"),
        ("{module}", "MODULE:ATTR"),
        ("{module}:number", "no gateway"),
        ("{module}:page", "no gateway"),
    ],
)
def test_a_target_that_is_none_is_a_usage_error(written: Written, target: str, told: str) -> None:
    """Exit code 2, and what was wrong with it."""
    module = written("number = 17")

    result = run("check", target.format(module=module))

    assert result.exit_code == 2
    assert told in " ".join(result.output.split())


def test_a_config_error_without_a_place_is_told_without_one(written: Written) -> None:
    """An error that was raised elsewhere and only kept has no line of its own."""
    module = written(
        """
        from stagedoor.errors import ConfigError
        exec("def build(): raise ConfigError('made up')")
        """
    )

    result = run("check", f"{module}:build")

    assert result.exit_code == 1
    assert "made up" in result.output
