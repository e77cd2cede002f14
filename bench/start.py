"""How long a gateway takes from exec to its first answer: `python -m bench.start [--rounds 9]`.

The platform's own alone, without settings, and a gateway of five lines; each in an empty folder, nothing else around.
Wall time, and CPU time of the process until then: on a machine that others use too, look at that.
"""

import argparse
import http.client
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.process import free_port, parse_stat

SMALL = 'from stagedoor import Gateway\napp = Gateway("small")\n@app.get("/")\nasync def root() -> str:\n return ""\n'
COMMANDS = {
    "cinema gateway": ("cinema", "gateway"),
    "stagedoor run small:app": ("stagedoor", "run", "small:app"),
}


def answered(port: int) -> bool:
    """Tell whether somebody lives there."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/health/live")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def start(argv: tuple[str, ...], folder: Path) -> tuple[float, float]:
    """Return the seconds until the first answer, and those of CPU."""
    port = free_port()
    environment = os.environ | {"GATEWAY_PORT": str(port), "SMALL_PORT": str(port)}
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", *argv],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as child:
        try:
            while not answered(port):
                if child.poll() is not None:
                    raise SystemExit(f"{' '.join(argv)} ended with {child.returncode}")
                time.sleep(0.002)
            took = time.perf_counter() - began
            cpu = parse_stat(Path(f"/proc/{child.pid}/stat").read_text()).cpu
        finally:
            child.terminate()
    return took, cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    print(f"{sys.version.split()[0]} of {os.path.realpath(sys.executable)}, seconds: median (lowest)")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "small.py").write_text(SMALL)
        for name, argv in COMMANDS.items():
            start(argv, Path(folder))  # the first compiles what changed
            measured = [start(argv, Path(folder)) for _ in range(rounds)]
            wall, cpu = zip(*measured, strict=True)
            figures = (f"{statistics.median(one):.2f} ({min(one):.2f})" for one in (wall, cpu))
            print(f"{name:26}", *figures)


if __name__ == "__main__":
    main()
