"""Serve an application behind the door, in this process or in several."""

from stagedoor._asgi import Application
from stagedoor._door.allocation import keep_freed_memory
from stagedoor._door.config import DoorConfig, ServerHooks
from stagedoor._door.descriptors import raise_descriptor_limit, too_few
from stagedoor._door.limits import DoorLimits
from stagedoor._door.server import DoorServer
from stagedoor._door.workers import Workers
from stagedoor.errors import ConfigError

__all__ = ["serve"]


def serve(
    app: Application | ServerHooks | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    limits: DoorLimits | None = None,
    namespace: str = "stagedoor",
    workers: int = 1,
    factory: str | None = None,
) -> None:
    """Serve until a signal says stop, then finish what is under way (up to 10 s) and return.

    While a stop is under way each answer says `Connection: close`; an idle connection stays until its next answer or
    the end of the 10 s, and whoever the kernel has let in is answered. A second signal ends it at once.

    Several `workers` are processes and need `factory`, "module:function", which makes the application (or an
    `ServerHooks`) in each of them. One process takes either. A worker that dies is replaced; SIGHUP replaces all,
    one after the other, and refuses nobody.

    Raises `ConfigError` where the system lets a process open too few files to serve anybody.
    """
    made = factory or app
    if made is None or (workers > 1 and factory is None):
        raise ValueError("serve: give an application, or a factory if there are several workers")
    raise_descriptor_limit()
    wrong = too_few()
    if wrong is not None:
        raise ConfigError(wrong)
    keep_freed_memory()
    config = DoorConfig(
        made,
        limits=limits or DoorLimits(),
        namespace=namespace,
        host=host,
        port=port,
        workers=workers,
    )
    if workers > 1:
        Workers(config).run()
    else:
        DoorServer(config).run()
