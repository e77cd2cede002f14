"""What the standard variables of OpenTelemetry say of traces: read once, checked, and wrong ones named.

Traces are off unless an exporter or a place for it is named. All further variables (headers, batches, attributes of the
resource) are read by the library itself.
"""

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from stagedoor.errors import ConfigError

if TYPE_CHECKING:
    from stagedoor._observers.otel import OpenTelemetry

__all__ = ["exporters_in", "propagates_in", "tracing_of"]

_LOGGER = logging.getLogger("stagedoor")
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_EXPORTERS = ("otlp", "console", "none")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_OTLP = ("OTEL_EXPORTER_OTLP_{}", "OTEL_EXPORTER_OTLP_TRACES_{}")
_BATCHES = ("SCHEDULE_DELAY", "EXPORT_TIMEOUT", "MAX_QUEUE_SIZE", "MAX_EXPORT_BATCH_SIZE")
_LIMITS = (
    *("OTEL_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT"),
    *("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_SPAN_EVENT_COUNT_LIMIT", "OTEL_SPAN_LINK_COUNT_LIMIT"),
    *("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT"),
)
_COMPRESSIONS = ("gzip", "deflate", "none")
_RATIOS = ("traceidratio", "parentbased_traceidratio")
_SAMPLERS = ("always_on", "always_off", "parentbased_always_on", "parentbased_always_off", *_RATIOS)
# Baggage is what clients say, and goes nowhere: no service sees a field that its gateway does not forward.
_PROPAGATORS = ("tracecontext", "baggage", "none")


def tracing_of(env: Mapping[str, str], name: str, version: str = "") -> "OpenTelemetry | None":
    """Return what makes and exports spans as the environment asks; None, with a warning, where its library is missing.

    `name` is the service's where the environment says no other. Raises `ConfigError` for a value that cannot work.
    """
    exporters = exporters_in(env)
    if not exporters:
        return None
    try:
        from stagedoor._observers.otel import OpenTelemetry  # noqa: PLC0415 - an extra: loaded where it is used
    except ImportError:
        _LOGGER.warning("no traces are exported, though OTEL_* asks for it: pip install stagedoor[otel]")
        return None
    return OpenTelemetry(exporters, name, version, propagates=propagates_in(env))


def exporters_in(env: Mapping[str, str]) -> tuple[str, ...]:
    """Return where traces go, `otlp` or `console`; nothing where they are off. Raises `ConfigError`."""
    if env.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return ()
    said = env.get("OTEL_TRACES_EXPORTER", "")
    if not said.strip():
        said = "otlp" if any(env.get(name) for name in _ENDPOINTS) else ""
    names = tuple(dict.fromkeys(_each("OTEL_TRACES_EXPORTER", said, _EXPORTERS)))
    wanted = () if "none" in names else names
    if wanted:
        _validate(env)
    return wanted


def propagates_in(env: Mapping[str, str]) -> bool:
    """Tell whether traces come in and go on with requests; raises `ConfigError`."""
    name = "OTEL_PROPAGATORS"
    return "tracecontext" in (_each(name, env.get(name, ""), _PROPAGATORS) or ("tracecontext",))


def _validate(env: Mapping[str, str]) -> None:
    for name in _ENDPOINTS:
        _check(env, name, _is_url, "http://host:port")
    for name in _PROTOCOLS:
        _check(env, name, lambda said: said == "http/protobuf", "http/protobuf")
    _check(env, "OTEL_TRACES_SAMPLER", lambda said: said.lower() in _SAMPLERS, ", ".join(_SAMPLERS))
    if env.get("OTEL_TRACES_SAMPLER", "").strip().lower() in _RATIOS:
        _check(env, "OTEL_TRACES_SAMPLER_ARG", _is_share, "a share from 0 to 1")
    propagates_in(env)
    _validate_library(env)


def _validate_library(env: Mapping[str, str]) -> None:
    """Raise `ConfigError` for what the library reads by itself, and passes over in silence or fails of."""
    for name in _BATCHES:
        _check(
            env, f"OTEL_BSP_{name}", lambda said: said.isdecimal() and int(said) > 0, "a whole number above 0"
        )
    queue = int(env.get("OTEL_BSP_MAX_QUEUE_SIZE", "").strip() or 2_048)  # the library's own figures
    if int(env.get("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "").strip() or 512) > queue:
        raise ConfigError(
            f"OTEL_BSP_MAX_EXPORT_BATCH_SIZE: must be at most OTEL_BSP_MAX_QUEUE_SIZE ({queue})"
        )
    for name in _LIMITS:
        _check(env, name, str.isdecimal, "a whole number from 0 up")
    for form in _OTLP:
        _check(env, form.format("TIMEOUT"), _is_seconds, "a number of seconds above 0")
        _check(env, form.format("COMPRESSION"), _COMPRESSIONS.__contains__, ", ".join(_COMPRESSIONS))
        _check(env, form.format("HEADERS"), _is_pairs, "name=value, comma-separated")
        for file in ("CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE"):
            _check(env, form.format(file), _is_file, "a file that can be read")
    _check(env, "OTEL_RESOURCE_ATTRIBUTES", _is_pairs, "name=value, comma-separated")


def _each(name: str, said: str, known: tuple[str, ...]) -> list[str]:
    found = [one.strip().lower() for one in said.split(",") if one.strip()]
    for one in found:
        if one not in known:
            raise ConfigError(f"{name}: {one!r} must be one of {', '.join(known)}")
    return found


def _check(env: Mapping[str, str], name: str, good: Callable[[str], bool], wanted: str) -> None:
    said = env.get(name, "").strip()
    if said and not good(said):
        raise ConfigError(f"{name}: must be {wanted}")  # the value may hold a password


def _is_url(said: str) -> bool:
    try:
        parts = urlsplit(said)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


def _is_share(said: str) -> bool:
    try:
        return 0.0 <= float(said) <= 1.0
    except ValueError:
        return False


def _is_seconds(said: str) -> bool:
    try:
        return 0.0 < float(said) < float("inf")
    except ValueError:
        return False


def _is_pairs(said: str) -> bool:
    return all(one.strip().partition("=")[0].strip() and "=" in one for one in said.split(",") if one.strip())


def _is_file(said: str) -> bool:
    try:
        with open(said, "rb"):  # noqa: PTH123 - only whether it can be
            return True
    except OSError:
        return False
