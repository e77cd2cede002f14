"""The vocabulary of ASGI, and the one word of our own in it.

The types carry Any: this is the border, and the specification's own form.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeAlias

__all__ = ["GONE", "Application", "Message", "OnGone", "Receive", "Scope", "Send"]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
OnGone: TypeAlias = Callable[[Callable[[], object]], None]

GONE: Final = "stagedoor.gone"
"""The extension of a scope under which the door leaves an `OnGone`: it takes what to run when the client goes."""
