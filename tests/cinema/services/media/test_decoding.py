"""Who decodes pictures when the system lacks what that takes."""

import tempfile

import psutil
import pytest

from cinema.services.media.decoding import Decoding
from stagedoor._web.routes import RequestRefused

NOBODYS = 1_000_000  # a descriptor that nobody has


async def test_x1_a_descriptor_that_is_missing_costs_no_place() -> None:
    """X1: of two places one went with each such moment, and then every picture was refused until a restart."""
    decoding, process = Decoding(0.2), psutil.Process()
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as target:
        source.write(b"no picture")
        source.flush()
        before = process.num_fds()
        for pair in [(NOBODYS, target.fileno()), (source.fileno(), NOBODYS)] * 2:
            with pytest.raises(OSError, match="descriptor"):
                await decoding.judge(*pair, 1_000)
        after = process.num_fds()
        with pytest.raises(RequestRefused) as refused:
            await decoding.judge(source.fileno(), target.fileno(), 1_000)
    await decoding.aclose()

    assert before == after
    assert refused.value.problem.status == 415
