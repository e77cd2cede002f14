"""Plain tables."""

from bench.table import render


def test_text_stands_left_and_figures_right() -> None:
    """Columns are as wide as their widest cell, head included."""
    text = render(["target", "us"], [["ours", "290"], ["the other", "7"]])

    assert text.splitlines() == [
        "target      us",
        "--------------",
        "ours       290",
        "the other    7",
    ]
