"""A declaration is only one: importing it opens nothing, and reads nothing of the environment."""

import subprocess
import sys
from pathlib import Path

WATCHED = """
import os, sys
import pydantic, typer, rich  # what libraries do is theirs

class Environment(dict):
    def __getitem__(self, name): seen.append(name); return super().__getitem__(name)
    def get(self, name, default=None): seen.append(name); return super().get(name, default)
    def __contains__(self, name): seen.append(name); return super().__contains__(name)

seen, opened = [], []
def hook(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.system", "sqlite3.", "os.fork")):
        opened.append(event)
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        opened.append(f"open {arguments[0]}")

import stagedoor._face.gateway  # noqa
environment = Environment(os.environ)
os.environ = environment
sys.addaudithook(hook)
import asyncio, threading
before = threading.active_count()
import tests.stagedoor.face.carts
print(sorted({name for name in seen if name.startswith("SHOP")}), opened, threading.active_count() - before)
"""


def test_importing_a_declaration_opens_nothing() -> None:
    """No socket, no process, no file to write, no thread, no setting; in a process of its own."""
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-B", "-c", WATCHED],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )

    assert (done.stdout.strip(), done.stderr) == ("[] [] 0", "")


def test_importing_the_kit_loads_nothing_that_is_not_asked_for() -> None:
    """`import stagedoor` costs milliseconds: names are loaded when they are used."""
    code = "import sys, stagedoor; print([name for name in ('pydantic', 'orjson', 'asyncio') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there() -> None:
    """`from stagedoor import *` finds what `__all__` says; another name is an AttributeError."""
    import stagedoor  # noqa: PLC0415 - the module itself

    assert [name for name in stagedoor.__all__ if getattr(stagedoor, name, None) is None] == []
    assert set(stagedoor.__all__) <= set(dir(stagedoor))
    assert not hasattr(stagedoor, "Gatway")


def test_a_policy_is_typed_by_the_package_of_policies() -> None:
    """`policies=` takes a sequence of `stagedoor.policies.Policy`, which is the one of extensions."""
    import stagedoor  # noqa: PLC0415 - the module itself
    from stagedoor import policies  # noqa: PLC0415 - as above

    assert policies.Policy is stagedoor.Policy
