"""The HTTP protocol at the front: it turns hostile requests away before any application code runs."""

from stagedoor.door.config import Entrance
from stagedoor.door.limits import DoorLimits
from stagedoor.door.server import server_for
from stagedoor.door.serving import serve

__all__ = ["DoorLimits", "Entrance", "serve", "server_for"]
