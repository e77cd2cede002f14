"""The core: one signature, and a call as frozen data."""

from stagedoor._call import Call, Env, Policy, Send
from stagedoor._deadline import NEVER
from stagedoor.testing import ScriptedTransport, call_of


def test_a_call_has_no_room_for_more() -> None:
    """Nothing is smuggled along; and a call costs no dictionary."""
    assert not hasattr(call_of(1), "__dict__")


def test_a_call_is_the_first_attempt_unless_told_otherwise() -> None:
    """Most calls are never repeated."""
    call = Call(operation="users.get", payload=1, key=b"1", identity="", deadline=NEVER, idempotent=True)

    assert call.attempt == 1


async def test_a_policy_is_anything_that_wraps_a_send(env: Env) -> None:
    """No base class: three lines are a policy."""

    class Shout:
        def wrap(self, send: Send[int, str], env: Env, /) -> Send[int, str]:
            async def shouting(call: Call[int]) -> str:
                return (await send(call)).upper()

            return shouting

    policy: Policy[int, str] = Shout()
    script = ScriptedTransport[int, str](env.clock).then("ann")

    assert await policy.wrap(script.send, env)(call_of(1)) == "ANN"
