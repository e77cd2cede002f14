"""The HTTP protocol at the front: it turns hostile requests away before any application code runs."""

from stagedoor._door.config import ServerHooks
from stagedoor._door.limits import DoorLimits
from stagedoor._door.server import server_for
from stagedoor._door.serving import serve

__all__ = ["DoorLimits", "ServerHooks", "serve", "server_for"]
