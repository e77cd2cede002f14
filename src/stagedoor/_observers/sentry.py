"""Errors of ours, and a share of the requests as traces, to Sentry or whoever speaks its protocol.

An error of ours is one that the kit's loggers tell with its traceback: a handler that failed, a 500. What leaves is
its type and the places it passed, with the request's id and route. Its text stays here, like local variables, headers,
cookies and bodies: any of them may hold a secret or an address (T15). The library patches nothing and looks for
nothing by itself; its own thread sends.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from stagedoor import _context as context
from stagedoor._clock import Clock, SystemClock
from stagedoor.errors import ConfigError

__all__ = ["Sentry"]

_LOGGER = "stagedoor"
_LOGGERS = (_LOGGER,)
_LINGER = 2.0  # seconds that closing waits for what is not yet sent


class Sentry(logging.Handler):
    """Tell an address (`dsn`) of errors, and of `traces_rate` (0 to 1) of all requests.

    `watch` begins to listen, `aclose` stops and sends what is left. Raises `ConfigError` if the package is missing or
    the address is none. `loggers` are those that are listened to, `service` names this process among several;
    `options` go to the library's client.
    """

    def __init__(
        self,
        dsn: str,
        *,
        environment: str = "",
        release: str = "",
        service: str = "",
        loggers: Sequence[str] = _LOGGERS,
        traces_rate: float = 0.0,
        rng: Callable[[], float] = lambda: 1.0,
        clock: Clock | None = None,
        **options: Any,  # noqa: ANN401 - the library's own
    ) -> None:
        super().__init__(logging.ERROR)
        try:
            from sentry_sdk import Client  # noqa: PLC0415 - an extra
            from sentry_sdk.utils import BadDsn, event_from_exception  # noqa: PLC0415
        except ImportError as error:
            raise ConfigError("Sentry needs the package sentry-sdk: pip install stagedoor[sentry]") from error
        try:
            self._client = Client(
                dsn=dsn,
                environment=environment or None,
                release=release or None,
                default_integrations=False,
                auto_enabling_integrations=False,
                include_local_variables=False,
                max_request_body_size="never",
                server_name="",
                traces_sample_rate=None,  # we choose; the library only carries
                before_send=_bare,
                _experiments={"transport_compression_level": 9},  # of gzip, whatever is installed
                **options,
            )
        except BadDsn:
            raise ConfigError("must be an address such as https://key@sentry.example.com/1") from None
        self._describe = event_from_exception
        self._service = service
        self._loggers = tuple(map(logging.getLogger, loggers))
        self._rate = traces_rate
        self._rng = rng
        self._clock = clock or SystemClock()

    def watch(self) -> None:
        """Listen to the loggers."""
        for logger in self._loggers:
            logger.addHandler(self)

    async def aclose(self) -> None:
        """Stop listening and send what is left, without holding the loop up."""
        for logger in self._loggers:
            logger.removeHandler(self)
        await asyncio.to_thread(self._client.close, timeout=_LINGER)

    def emit(self, record: logging.LogRecord) -> None:
        """Send the error of a record; one without an error is for the log alone."""
        error = None if record.exc_info is None else record.exc_info[1]
        if error is None:
            return
        try:
            self.tell(error, record.getMessage(), record.name)
        except Exception:  # noqa: BLE001 - whatever ails the sink, the request goes on
            self.handleError(record)

    def tell(self, error: BaseException, message: str, logger: str) -> None:
        """Send an error; `message` says what failed, and holds no secret."""
        event, hint = self._describe(error, client_options=self._client.options)
        event["logger"] = logger
        event["message"] = message
        event["tags"] = self._tags(context.current().request_id)
        self._client.capture_event(event, hint)

    def _tags(self, request_id: str) -> dict[str, str]:
        return {"request_id": request_id, **({"service": self._service} if self._service else {})}

    def request_started(self) -> None:
        """Do nothing: a request is told at its end."""

    def request_ended(
        self,
        method: str,
        endpoint: str,
        status: int,
        seconds: float,
        request_id: str,
        trace_id: str,
        cause: str = "",
        span_id: str = "",
    ) -> None:
        """Send a share of the requests as traces."""
        if self._rng() >= self._rate or not trace_id:
            return
        end = self._clock.wall()
        outcome = _outcome(status)
        trace = {
            "trace_id": trace_id,
            "span_id": span_id or trace_id[:16],
            "op": "http.server",
            "status": outcome,
        }
        event: Any = {
            "type": "transaction",
            "transaction": f"{method} {endpoint}",
            "start_timestamp": end - seconds,
            "timestamp": end,
            "contexts": {"trace": trace},
            "tags": {**self._tags(request_id), "status": str(status)},
        }
        self._client.capture_event(event)

    def __repr__(self) -> str:
        return f"<Sentry {self._rate} of requests>"


def _outcome(status: int) -> str:
    return "ok" if status < 400 else ("invalid_argument" if status < 500 else "internal_error")


def _bare(event: Any, _: object) -> Any:  # noqa: ANN401 - the library's own
    """Take out of an event everything but types and places."""
    for name in ("request", "user", "breadcrumbs", "extra", "modules", "server_name"):
        event.pop(name, None)
    for error in event.get("exception", {}).get("values", ()):
        error["value"] = ""
        for frame in error.get("stacktrace", {}).get("frames", ()):
            frame.pop("vars", None)
    return event
