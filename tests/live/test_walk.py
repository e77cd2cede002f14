"""The walk that ARCHITECTURE describes is the way that a request takes."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from stagedoor._commands.project import write
from tests.docs.pages import ROOT
from tests.servers import free_port

pytestmark = pytest.mark.live

WALKED = """
import asyncio, sys
import walked
from stagedoor._face.serving import _server_hooks
from stagedoor._door.server import server_for

files = []

def note(frame, event, argument):
    file = frame.f_code.co_filename.rpartition("/src/")[2]
    if event == "call" and file.startswith("stagedoor/") and files[-1:] != [file]:
        files.append(file)

async def ask(port, target):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET %b HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n" % target)
    answer = await reader.read()
    writer.close()
    return answer

async def main(port):
    server = server_for(_server_hooks(walked.app), port=port)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    await ask(port, b"/home/1")  # what is imported or connected once is no part of the walk
    sys.setprofile(note)
    answer = await ask(port, b"/home/2")
    sys.setprofile(None)
    assert b"account=fresh, recent=fresh" in answer, answer
    server.should_exit = True
    await serving

asyncio.run(main(int(sys.argv[1])))
print("FILES", *files)
"""


def test_a_request_goes_through_the_files_of_the_walk_in_their_order(tmp_path: Path) -> None:
    """12.5: a walk that the code does not take leads astray."""
    page = (ROOT / "ARCHITECTURE.md").read_text()
    walk = re.findall(r"^\| \d+ \| `(stagedoor/[\w/]+\.py)` \|", page, re.MULTILINE)
    write("walked", tmp_path)

    command = [sys.executable, "-c", WALKED, str(free_port())]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=170)
    assert done.returncode == 0, done.stderr
    taken = done.stdout.partition("FILES ")[2].split()
    steps = iter(taken)
    assert len(walk) > 30
    assert [file for file in walk if file not in steps] == []  # each is found behind the one before it
