"""docs/promises.md is complete in both directions."""

from pathlib import Path

from scripts.promises import PAGE, cited_by, defined, rewritten

ROOT = Path(__file__).parents[2]


def test_every_code_that_tests_or_source_cite_is_promised() -> None:
    """Whoever reads a code finds what it means."""
    cited = cited_by(ROOT / "tests").keys() | cited_by(ROOT / "src").keys()

    assert sorted(cited - set(defined(PAGE.read_text()))) == []


def test_every_promise_is_held_by_a_test() -> None:
    """A promise that nothing proves is none."""
    assert [code for code in defined(PAGE.read_text()) if not cited_by(ROOT / "tests").get(code)] == []


def test_no_promise_is_made_twice() -> None:
    """One code, one sentence."""
    codes = defined(PAGE.read_text())

    assert sorted(set(codes)) == sorted(codes)


def test_the_page_lists_its_tests_as_they_are() -> None:
    """`make promises` writes them."""
    text = PAGE.read_text()

    assert rewritten(text, cited_by(ROOT / "tests")) == text
