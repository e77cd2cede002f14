"""Purges: names, numbers and how they are forgotten."""

from hypothesis import given
from hypothesis import strategies as st

from stagedoor._cache.tags import ALL, Purges, TagVersion, key_name, tag

NAMES = (tag("film:1"), tag("films"))


def test_g4_a_purge_by_tag_reaches_what_was_marked_before_it() -> None:
    """G4: the mark is taken before an answer is computed."""
    purges = Purges()
    before = purges.mark
    purges.note([tag("films")])

    assert purges.reached(b"k", NAMES, before.position)
    assert not purges.reached(b"k", NAMES, purges.mark.position)
    assert not purges.reached(b"k", (tag("film:1"),), before.position)


def test_g4_a_purge_by_key_reaches_that_key_alone() -> None:
    """G4: a tag that looks like a key is none."""
    purges = Purges()
    before = purges.mark
    purges.note([key_name(b"k")])

    assert purges.reached(b"k", (), before.position)
    assert not purges.reached(b"k2", (b"#k", b"=k2"), before.position)


def test_g4_a_purge_of_all_reaches_everything() -> None:
    """G4: entries without tags too."""
    purges = Purges()
    before = purges.mark
    purges.note([ALL], 7)

    assert purges.reached(b"k", (), before.position)
    assert purges.reached_shared(b"k", (), 6)
    assert not purges.reached_shared(b"k", (), 7)
    assert purges.mark == TagVersion(1, 7)


def test_a_purge_of_this_process_does_not_hide_a_number_of_the_log() -> None:
    """Noting a name again without a number keeps the number it has."""
    purges = Purges()
    purges.note([tag("films")], 5)
    purges.note([tag("films")])

    assert purges.reached_shared(b"k", NAMES, 4)
    assert not purges.reached_shared(b"k", NAMES, 5)


def test_what_was_heard_is_remembered_apart() -> None:
    """A number without names is progress too."""
    purges = Purges()
    purges.hear(9)

    assert purges.mark == TagVersion(0, 9)
    assert repr(purges) == "<Purges 0 names, position 0, heard 9>"


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=60), st.integers(1, 8))
def test_k3_forgetting_names_never_loses_a_purge(script: list[tuple[int, bool]], limit: int) -> None:
    """K3: the list is bounded; what it forgets it treats as purged. Oracle: a list of everything."""
    purges = Purges(limit)
    born: dict[int, TagVersion] = {}
    out: set[int] = set()
    for number, (name, purge) in enumerate(script, 1):
        if purge:
            purges.note([tag(str(name))], number)
            out.add(name)
        else:
            born[name] = purges.mark
            out.discard(name)

        assert len(purges) <= limit
    for name, mark in born.items():
        if name in out:
            assert purges.reached(b"k", (tag(str(name)),), mark.position)
            assert purges.reached_shared(b"k", (tag(str(name)),), mark.heard)
