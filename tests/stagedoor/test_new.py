"""The project that `stagedoor new` writes; tests/live/test_new.py runs it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from stagedoor._cli import app


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an empty folder, as the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def texts(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()
    }


def test_it_writes_a_whole_project_and_says_what_to_type_next(folder: Path) -> None:
    """12.4: gateway, services to begin with, tests, types, and a README with the next commands."""
    result = run("new", "shop")

    assert result.exit_code == 0
    assert result.stdout.endswith("next: cd shop && stagedoor run shop:app\n")
    assert sorted(texts(folder / "shop")) == [
        ".gitignore",
        "README.md",
        "pyproject.toml",
        "shop/__init__.py",
        "shop/gateway.py",
        "shop/py.typed",
        "shop/upstream.py",
        "tests/test_gateway.py",
    ]


def test_another_name_stands_wherever_the_name_is_needed(folder: Path) -> None:
    """12.4: package, gateway, settings; the template's own name is nowhere."""
    run("new", "box_office")

    written = texts(folder / "box_office")
    assert 'Gateway("box_office"' in written["box_office/gateway.py"]
    assert "BOX_OFFICE_ACCOUNTS_URL" in written["box_office/upstream.py"]
    assert [name for name, text in written.items() if "shop" in f"{name}{text}".lower()] == []


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Shop", "at most 40, such as shop"),
        ("my-shop", "such as my_shop"),
        ("7up", "such as up"),
        ("a/b", "such as a_b"),
        ("..", "is no name of a package"),
        ("", "is no name of a package"),
        ("шоп", "is no name of a package"),
        ("s" * 41, "at most 40"),
        ("class", "'class' is taken"),
        ("json", "'json' is taken"),
        ("stagedoor", "'stagedoor' is taken"),
        ("tests", "'tests' is taken"),
    ],
)
def test_a_name_that_no_package_can_have_is_refused_in_one_line(folder: Path, name: str, told: str) -> None:
    """12.4: before anything is written."""
    result = run("new", name)

    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (64, "", 1)
    assert told in result.stderr
    assert list(folder.iterdir()) == []


def test_a_folder_with_something_in_it_is_left_alone(folder: Path) -> None:
    """12.4: one line, exit code 73, and no file of ours."""
    (folder / "shop").mkdir()
    (folder / "shop/notes.txt").write_text("mine")
    result = run("new", "shop")

    assert (result.exit_code, result.stderr) == (73, "shop: there is something in this folder already\n")
    assert texts(folder) == {"shop/notes.txt": "mine"}


def test_a_file_of_that_name_is_left_alone(folder: Path) -> None:
    """12.4: a file is no folder."""
    (folder / "shop").write_text("mine")
    result = run("new", "shop")

    assert (result.exit_code, result.stderr) == (73, "shop: Not a directory\n")
    assert texts(folder) == {"shop": "mine"}


@pytest.mark.parametrize("where", [".", "deep/er", "empty"])
def test_it_writes_into_an_empty_folder_or_makes_one(folder: Path, where: str) -> None:
    """12.4: `--in .` is a folder that was made beforehand."""
    (folder / "empty").mkdir() if where == "empty" else None
    result = run("new", "shop", "--in", where)

    assert result.exit_code == 0
    assert (folder / where / "shop/gateway.py").exists()
