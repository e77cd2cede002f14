"""The public surface is a list in each module."""

import ast
import importlib
import inspect
import pkgutil

import pytest

import stagedoor

MODULES = [
    info.name
    for info in pkgutil.walk_packages(stagedoor.__path__, "stagedoor.")
    if not info.name.rpartition(".")[2].startswith("_")
]


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_what_is_public(name: str) -> None:
    """`__all__` is there, names what exists, each name once, and in the order that ruff keeps."""
    module = importlib.import_module(name)
    tree = ast.parse(inspect.getsource(module) or "")
    defines = any(
        isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) for node in tree.body
    )
    public = getattr(module, "__all__", None)

    assert public is not None or not defines
    assert len(set(public or ())) == len(public or ())
    assert [one for one in public or () if not hasattr(module, one)] == []


@pytest.mark.parametrize("name", MODULES)
def test_every_public_thing_is_explained(name: str) -> None:
    """A docstring of its own, whose first line is a sentence."""
    module = importlib.import_module(name)

    things = {public: getattr(module, public) for public in getattr(module, "__all__", ())}
    explained = {one: inspect.isclass(thing) or inspect.isfunction(thing) for one, thing in things.items()}

    assert [one for one, must in explained.items() if must and not (things[one].__doc__ or "").strip()] == []
