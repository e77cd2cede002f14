"""What the demo memes say: captions put together from halves, the same for a number on every machine."""

from dataclasses import dataclass
from random import Random
from typing import Final

__all__ = ["Saying", "saying_of"]


@dataclass(frozen=True, slots=True)
class Saying:
    """The two lines on a picture, and what stands beside it."""

    above: str
    below: str
    title: str
    description: str


_WHO: Final = (
    ("cat", "The cat"),
    ("usher", "The usher"),
    ("critic", "The critic"),
    ("projector", "The projector"),
    ("popcorn", "The popcorn"),
    ("seat", "Row seven"),
    ("sequel", "The sequel"),
    ("villain", "The villain"),
    ("extra", "The extra"),
    ("dragon", "The dragon"),
    ("robot", "The robot"),
    ("director", "The director"),
)
_SETUPS: Final = (
    ("when the trailer", "shows the whole film"),
    ("buys the large popcorn", "eats it in the trailers"),
    ("says it is based", "on a true story"),
    ("waits for the scene", "after the credits"),
    ("one does not simply", "leave before the end"),
    ("reads the book first", "tells everybody"),
    ("falls asleep at nine", "loved the ending"),
    ("director's cut", "four more hours"),
    ("silent film night", "somebody opens crisps"),
    ("found a plot hole", "parked in it"),
    ("plays the villain", "is nice at lunch"),
    ("it's only a remake", "of the remake"),
    ("saw it in 3D", "forgot the glasses"),
    ("first row ticket", "knows every pore"),
    ("asks who that is", "every two minutes"),
    ("ends on a cliff", "so do we"),
    ("has seen the original", "will mention it"),
    ("Monday screening", "whole hall to myself"),
    ("subtitles on", "in my own language"),
    ("the hero walks away", "something explodes"),
)
_ASIDES: Final = (
    "Seen in row twelve, reported by the whole row.",
    "Nobody in the foyer disagrees.",
    "The projectionist has asked for a copy.",
    "It happens at every late show.",
    "Approved by the box office.",
    "Drawn on a ticket, kept in a wallet.",
    "The popcorn machine is a witness.",
    "Two stars out of two.",
)


def saying_of(number: int, rng: Random) -> Saying:
    """Return what the meme of a number says; no two of the first 240 say the same."""
    name, who = _WHO[number % len(_WHO)]
    above, below = _SETUPS[(number * 7 + number // len(_WHO)) % len(_SETUPS)]
    aside = rng.choice(_ASIDES)
    return Saying(above, below, f"{who}: {below}", f"{who} {above}, {below}. {aside} #{name}")
