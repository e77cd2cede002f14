"""What `cinema up` looks at before it starts anything: ports, places to write, and what the settings say together."""

import os
from collections.abc import Iterable, Sequence

from cinema.checks import check_database, check_folder, check_index, check_open_files
from cinema.faults import Fault
from cinema.settings import Settings
from cinema.stack.parts import StackProcess
from stagedoor._commands.listening import ListeningFault, listening_fault

__all__ = ["check_ground"]

_OF_LIBRARIES = ("PROMETHEUS_MULTIPROC_DIR", "SSL_CERT_FILE")


def check_ground(settings: Settings, parts: Iterable[StackProcess]) -> None:
    """Raise `Fault` for the first thing that keeps the platform from running; taken ports are told at once."""
    check_open_files()
    listening = [part for part in parts if part.port]
    _check_ports(listening)
    if settings.docs_only:
        return
    here = {part.name for part in listening}
    check_database(settings)
    check_index(settings)
    if "media" in here:
        _check_media(settings, next(part.host for part in listening if part.name == "media"))
    if _may_contradict(settings):
        from cinema.gateway.start import check_gateway  # noqa: PLC0415 - half a second, which few settings need

        check_gateway(settings)


def _check_ports(parts: Sequence[StackProcess]) -> None:
    _check_apart(parts)
    found = [(part, fault) for part in parts if (fault := listening_fault(part.host, part.port)) is not None]
    wrong = next(((part, fault) for part, fault in found if fault.code != os.EX_UNAVAILABLE), None)
    if wrong:
        raise Fault(f"{_setting_of(*wrong)}: {wrong[1].line}", wrong[1].code)
    if found:
        names = ", ".join(_setting_of(part, fault) for part, fault in found)
        ports = ", ".join(str(part.port) for part, _ in found)
        are = "ports {} are" if len(found) > 1 else "port {} is"
        line = f"{names}: {are.format(ports)} taken; stop what listens there, or set CINEMA_PORTS=9000 to move all"
        raise Fault(line, os.EX_UNAVAILABLE)


def _check_apart(parts: Iterable[StackProcess]) -> None:
    """Raise `Fault` where two processes are told one port: each is free, until the other has it."""
    told: dict[int, str] = {}
    for part in parts:
        other = told.setdefault(part.port, part.setting)
        if other != part.setting:
            line = (
                f"both say port {part.port}; give each process one of its own, or set CINEMA_PORTS=9000 alone"
            )
            raise Fault(f"{other}, {part.setting}: {line}")


def _setting_of(part: StackProcess, fault: ListeningFault) -> str:
    return "GATEWAY_HOST" if part.setting == "GATEWAY_PORT" and fault.at == "host" else part.setting


def _check_media(settings: Settings, host: str) -> None:
    if settings.media_store == "local":
        check_folder("MEDIA_DIR", settings.media_dir)
        return
    from cinema.services.media.start import validate_ready  # noqa: PLC0415 - asks the bucket

    validate_ready(settings, host)


def _may_contradict(settings: Settings) -> bool:
    """Tell whether anything is set that only the gateway's own look at itself can judge: times, limits, keys."""
    if any(os.environ.get(name) for name in _OF_LIBRARIES):
        return True
    plain = ("_url", "_port", "_host", "_ttl_s", "_stale_s")
    said = [name for name in settings.model_fields_set if not name.endswith(plain)]
    return any(name.startswith("gateway_") or name == "search_timeout_ms" for name in said)
