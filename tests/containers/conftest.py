"""These run containers as root for minutes: only `make test-containers` collects them."""

import os

import pytest

from tests.conftest import must_not_skip
from tests.containers.images import Needs, make_all
from tests.servers import Unavailable

collect_ignore_glob = [] if os.environ.get("CONTAINERS") == "1" else ["test_*.py"]


@pytest.fixture(scope="session")
def engine() -> dict[str, str]:
    """Make all images; return the environment in which podman finds them; say what is missing here."""
    try:
        return make_all()
    except (Needs, Unavailable) as missing:
        if must_not_skip(dict(os.environ)):
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(f"left out: {missing}")
