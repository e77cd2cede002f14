"""How a transport is asked."""

from tests.contracts.transports.house import House
from tests.contracts.transports.server import Answer, AnsweringApp, Reply, Seen, script_of


def answering(house: House, answer: Answer) -> None:
    """Give the upstream another way to answer."""
    if isinstance(house.server, AnsweringApp):
        house.server.answer = answer
    else:
        house.server.script = script_of(answer)


def always(house: House, reply: Reply) -> None:
    """Make the upstream say the same to everybody."""

    async def answer(seen: Seen) -> Reply:
        return reply

    answering(house, answer)
