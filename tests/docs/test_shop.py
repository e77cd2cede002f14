"""The example project is what the documentation promises: whole, short, tested and typed."""

import subprocess
import sys

from tests.docs.pages import ROOT

SHOP = ROOT / "examples/shop"
FILES = sorted(SHOP.glob("*.py"))


def test_a_whole_gateway_with_its_tests_takes_120_lines_and_one_import_of_the_kit_a_file() -> None:
    """Three screens, a write, pictures, health, metrics, logs, origins, a limit: no more than that to read."""
    texts = [file.read_text().splitlines() for file in FILES]

    assert sum(map(len, texts)) <= 120
    assert [
        sum(line.startswith(("from stagedoor", "import stagedoor")) for line in text) for text in texts
    ] == [1, 1]


def test_its_tests_pass_as_its_reader_would_run_them() -> None:
    """In a process of their own: `shop` is imported from the folder, under no configuration but the mode."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-c",
        "/dev/null",
        "-o",
        "asyncio_mode=auto",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run([*command, "."], cwd=SHOP, capture_output=True, text=True, check=False, timeout=50)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
