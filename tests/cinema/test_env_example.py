"""The example of settings names every setting, with the default that holds."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from cinema.settings import Settings

EXAMPLE = Path(__file__).resolve().parents[2] / ".env.example"


def examples() -> dict[str, str]:
    """Read name and value of each line that could be uncommented."""
    lines = [line[1:] for line in EXAMPLE.read_text().splitlines() if line[1:2].isupper()]
    return {
        name: value.partition(" #")[0].strip() for name, _, value in (line.partition("=") for line in lines)
    }


def test_the_example_names_every_setting_and_no_other() -> None:
    """A setting that nobody can find is not one, and an unknown name stops the start."""
    assert sorted(examples()) == sorted(name.upper() for name in Settings.model_fields)


@pytest.mark.parametrize("name", sorted(examples()))
def test_the_example_shows_the_default_that_holds(name: str) -> None:
    """Uncommenting a line changes nothing."""
    model: type[BaseModel] = Settings
    field = model.model_fields[name.lower()]
    value = examples()[name]
    example = Settings.model_validate({name.lower(): value}) if value else Settings.model_validate({})

    assert getattr(example, name.lower()) == field.get_default()
