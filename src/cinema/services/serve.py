"""Run one service in this process until it is told to stop."""

from importlib import import_module

from cinema.checks import check_database, check_folder, check_listening, check_open_files
from cinema.services import SERVICES
from cinema.settings import Settings
from stagedoor._door import ServerHooks
from stagedoor._door import serve as serve_door
from stagedoor._observers.shared_numbers import check_numbers

__all__ = ["serve"]


def serve(settings: Settings, name: str, host: str | None = None) -> None:
    """Serve on the address of the service's URL setting; return once a signal has stopped it in order.

    Raises:
        Fault: the address cannot be listened on, or what the service stands on can never be right.

    """
    service = SERVICES[name]
    bound, port = service.address(settings)
    check_open_files()
    check_listening(host or bound, port, "--host" if host else service.setting, service.setting)
    _check_ground(settings, name, host or bound)
    app = import_module(service.module).build(settings)
    # The door listens last: as long as nobody can answer, a caller is refused at once and does not wait in a queue.
    serve_door(ServerHooks(app=app, refused=app.refused), host=host or bound, port=port, namespace="cinema")


def _check_ground(settings: Settings, name: str, host: str) -> None:
    """Look at what a service stands on: a database, a store of pictures, or nothing; and where its numbers go."""
    check_numbers()
    if name == "media":
        from cinema.services.media.start import validate_ready  # noqa: PLC0415 - its alone

        if settings.media_store == "local":
            check_folder("MEDIA_DIR", settings.media_dir)
        validate_ready(settings, host)
    elif name != "ghibli":
        check_database(settings)
