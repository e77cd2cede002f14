"""Models are made of values without a look at each, and written as if pydantic had made them."""

from typing import Any, Self

import pytest
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from stagedoor._web.rendering import Renderer


class Plain(BaseModel):
    name: str
    more: list[str] = []


class Renamed(BaseModel):
    name: str = Field(alias="Name")
    more: list[str] = []


class Private(BaseModel):
    name: str
    more: list[str] = []
    _seen: int = PrivateAttr(default=1)


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")

    name: str
    more: list[str] = []


class Own(BaseModel):
    name: str
    more: list[str] = []

    @classmethod
    def model_construct(  # type: ignore[override, unused-ignore]
        cls, _fields_set: set[str] | None = None, **values: Any
    ) -> Self:
        return super().model_construct(_fields_set, **{**values, "name": "own"})


class Checked(BaseModel):
    name: str
    more: list[str] = []

    @model_validator(mode="after")
    def _refuse(self) -> Self:
        raise ValueError("values are not validated again")


MODELS: list[Any] = [Plain, Renamed, Private, Open, Own, Checked]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("values", [{"name": "Ann", "more": ["a"]}, {"name": "Ann"}])
def test_what_is_written_is_what_pydantic_would_write(model: Any, values: dict[str, object]) -> None:
    """The short way is for models that are nothing but fields, all of which are given; the others go the long one."""
    wanted = model.model_construct(**values).model_dump_json(by_alias=True)

    assert Renderer(model).render(dict(values)) + b"}" == wanted.encode()


def test_a_summary_is_left_for_the_answer_that_leaves() -> None:
    """It is no part's: the model is made without it, and it is not written."""
    rendered = Renderer(Plain, summary="more").render({"name": "Ann"})

    assert rendered + b"}" == b'{"name":"Ann"}'


def test_a_serializer_sees_which_fields_are_set() -> None:
    """As for an instance that pydantic made: `exclude_unset` and the like work in serializers of one's own."""

    class Told(BaseModel):
        name: str

    made = Renderer(Told)._make({"name": "Ann"})

    assert (made, made.model_fields_set, made.model_dump(exclude_unset=True)) == (
        Told(name="Ann"),
        {"name"},
        {"name": "Ann"},
    )
