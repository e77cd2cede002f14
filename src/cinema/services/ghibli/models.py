"""What the film API answers: every value is text, every link an absolute URL."""

from pydantic import BaseModel

__all__ = ["Film", "Location", "Person", "Species", "Vehicle"]


class Film(BaseModel):
    """Describe a film; its lists of links are as incomplete as in the public API."""

    id: str
    title: str
    original_title: str
    original_title_romanised: str
    image: str
    movie_banner: str
    description: str
    director: str
    producer: str
    release_date: str
    running_time: str
    rt_score: str
    people: list[str]
    species: list[str]
    locations: list[str]
    vehicles: list[str]
    url: str


class Person(BaseModel):
    """Describe somebody in a film; `age` may be words, `gender` is Male, Female or NA."""

    id: str
    name: str
    gender: str
    age: str
    eye_color: str
    hair_color: str
    films: list[str]
    species: str
    url: str


class Location(BaseModel):
    """Describe a place."""

    id: str
    name: str
    climate: str
    terrain: str
    surface_water: str
    residents: list[str]
    films: list[str]
    url: str


class Species(BaseModel):
    """Describe a kind of being."""

    id: str
    name: str
    classification: str
    eye_colors: str
    hair_colors: str
    people: list[str]
    films: list[str]
    url: str


class Vehicle(BaseModel):
    """Describe a vehicle."""

    id: str
    name: str
    description: str
    vehicle_class: str
    length: str
    pilot: str
    films: list[str]
    url: str
