"""The command line on small gateways written into a folder of their own."""

import textwrap
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from stagedoor._cli import app

Written = Callable[[str], str]

GATEWAY = """
    from dataclasses import dataclass
    from tests.declared import Aggregate
    from stagedoor.policies._hedge import Hedge
    from stagedoor.policies._retry import Retry
    from stagedoor.policies._timeout import Timeout

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
    assert "page.tail: the path head → tail takes 160 ms" in result.stdout  # findings are what was asked for
    assert result.stderr == ""
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

    for command, code in (("check", 1), ("routes", 78)):
        result = run(command, f"{module}:app")
        assert result.exit_code == code
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


@pytest.mark.parametrize("command", ["check", "routes", "settings", "openapi", "run"])
@pytest.mark.parametrize(
    ("target", "code", "told"),
    [
        ("no_such_module:app", 66, "there is no module 'no_such_module'"),
        ("{module}.inner:app", 66, "there is no module"),
        ("{module}:nothing", 66, "has no 'nothing'; it has no Gateway"),
        ("{module}", 66, "has no 'app'"),
        ("{module}:number", 65, "is no Gateway but int"),
        ("{module}:page", 65, "is no Gateway but function"),
        ("{module}:broken", 65, "ZeroDivisionError: division by zero"),
        ("{module}.py", 64, "is a file: name its module, as in shop:app"),
        ("./{module}.py:app", 64, "is a file"),
        ("a b:c", 64, "is not of the form MODULE:ATTR, as in shop:app"),
        (":app", 64, "is not of the form MODULE:ATTR"),
        ("{module}:", 64, "is not of the form MODULE:ATTR"),
    ],
)
def test_a_target_that_is_none_is_told_in_one_line(
    written: Written, command: str, target: str, code: int, told: str
) -> None:
    """12.4: by every command alike: what is missing, what is another thing, what cannot be understood."""
    module = written("number = 17\ndef broken():\n    return 1 / 0")

    result = run(command, target.format(module=module))

    assert (result.exit_code, result.stdout) == (code, "")
    assert told in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["check", "routes", "settings", "openapi", "run"])
@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import no_such_library", "py:2: ModuleNotFoundError: No module named 'no_such_library'"),
        ("x = = 1", "py:2: SyntaxError"),
        ("raise ValueError('two\\nlines')", "py:2: ValueError: two lines"),
    ],
)
def test_a_module_that_fails_while_it_is_imported_is_told_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, code: str, told: str
) -> None:
    """12.4: no traceback of ours stands above the line that matters."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    name = f"failing_{abs(hash((str(tmp_path), code))):x}"
    (tmp_path / f"{name}.py").write_text(f"# their own\n{code}\n")

    result = run(command, f"{name}:app")

    assert (result.exit_code, result.stderr.count("\n")) == (65, 1)
    assert told in result.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["chek"], "No such command 'chek'. Did you mean 'check'?; see"),
        (["check"], "Missing argument 'MODULE:ATTR'; see"),
        (["run", "shop:app", "--prt", "1"], "No such option: --prt"),
        (["run", "shop:app", "--port", "99999"], "Invalid value for '--port'"),
        (["run", "shop:app", "--workers", "0"], "Invalid value for '--workers'"),
        (["routes", "a", "b"], "Got unexpected extra argument"),
    ],
)
def test_wrong_use_is_told_in_one_line_with_the_command_that_helps(words: list[str], told: str) -> None:
    """12.4: exit code 64, without a box drawn round it."""
    result = run(*words)

    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (64, "", 1)
    assert told in result.stderr
    assert "--help" in result.stderr


@pytest.mark.parametrize("command", ["new", "run", "check", "routes", "settings", "openapi"])
def test_the_help_of_every_command_shows_an_example(command: str) -> None:
    """12.4: what to type is more than what may be typed."""
    result = run(command, "--help")

    assert result.exit_code == 0
    assert f"Example: stagedoor {command} shop" in result.output


def test_the_version_is_told() -> None:
    """What somebody is asked for first who reports a fault."""
    result = run("--version")

    assert (result.exit_code, result.output) == (0, f"stagedoor {metadata.version('stagedoor')}\n")


def test_nothing_typed_is_answered_with_all_commands() -> None:
    """It is a question, no mistake."""
    result = run()

    assert result.exit_code == 0
    assert "Example: stagedoor new shop" in result.output


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
