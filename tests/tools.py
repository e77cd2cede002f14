"""Programs that PyPI does not have, from PATH: skipped with a line where they are missing, a failure in CI."""

import os
import shutil

import pytest

from tests.conftest import must_not_skip

__all__ = ["tool_of"]

_APART = "/usr/sbin"  # where Debian puts servers, which not everybody has on PATH


def tool_of(program: str, package: str) -> str:
    """Return where a program is; skip the test, naming Debian's package of it, where it is not."""
    found = shutil.which(program) or shutil.which(program, path=_APART)
    if found is None:
        if must_not_skip(dict(os.environ)):
            pytest.fail(f"{program} is missing: install {package}", pytrace=False)
        pytest.skip(f"left out: {program} (Debian package {package})")
    return found
