"""Run one service in this process until it is told to stop."""

from importlib import import_module

from cinema.listening import validate_free
from cinema.services import SERVICES
from cinema.settings import Settings
from stagedoor._door import ServerHooks
from stagedoor._door import serve as serve_door

__all__ = ["serve"]


def serve(settings: Settings, name: str, host: str | None = None) -> None:
    """Serve on the address of the service's URL setting; return once a signal has stopped it in order.

    Raises:
        OSError: the address cannot be listened on.

    """
    service = SERVICES[name]
    bound, port = service.address(settings)
    validate_free(host or bound, port)
    app = import_module(service.module).build(settings)
    # The door listens last: as long as nobody can answer, a caller is refused at once and does not wait in a queue.
    serve_door(ServerHooks(app=app, refused=app.refused), host=host or bound, port=port, namespace="cinema")
