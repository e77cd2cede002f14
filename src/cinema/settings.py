"""Say every setting of the platform once: name, default, bounds. Read once at start, frozen afterwards.

A setting is an environment variable or a line of `.env`; the environment wins and an empty value is unset. Any of
them may stand in a file that `NAME_FILE` names (`cinema.secret_files`).
`load` is the door: whatever is wrong becomes one `SettingsError` whose text is one line that names the
variable and says what would be right. Three kinds of fault stop the start: a value out of bounds, values
that exclude each other, and a name that is nobody's (promise G2), which is nearly always a typing error.
Values of variables that may hold a secret are never repeated in the line.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from cinema import setting_values
from cinema.env_file import EnvFileError, read_env_file
from cinema.secret_files import values_from_files
from cinema.setting_faults import SECRET, told
from cinema.setting_names import nobodys, without_links
from cinema.setting_pairs import without_effect
from cinema.telemetry import share_variables
from stagedoor import JwtSettings
from stagedoor.errors import ConfigError

__all__ = ["RateLimit", "Settings", "SettingsError", "host_of", "load", "port_of"]


class SettingsError(ValueError):
    """Tell in one line which variable is wrong and what would be right."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """Allow so many requests in any window of so many seconds, per client."""

    requests: int
    seconds: int


def host_of(url: str) -> str:
    """Return the host of a URL, without brackets."""
    return urlsplit(url).hostname or ""


def port_of(url: str) -> int:
    """Return the port of a URL, its scheme's own if it names none."""
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


_TOKEN_SETTING = re.compile(r"JwtSettings\((\w+)=\.\.\.\)")

Port = Annotated[int, Field(ge=1, le=65_535)]
Positive = Annotated[int, Field(ge=1, le=2**53)]
Milliseconds = Annotated[int, Field(ge=1, le=600_000)]
# The most that the kit takes for a whole request that asks only.
Deadline = Annotated[int, Field(ge=1, le=30_000)]
Seconds = Annotated[int, Field(ge=1, le=86_400)]
Lifetime = Annotated[int, Field(ge=0, le=31_536_000)]
HttpUrl = Annotated[str, AfterValidator(setting_values.http_url)]
Place = Annotated[Path, AfterValidator(setting_values.place)]
Text = Annotated[str, Field(max_length=4_096)]


def _token_variable(argument: str) -> str:
    return "GATEWAY_JWT_LEEWAY_S" if argument == "leeway" else f"GATEWAY_JWT_{argument.upper()}"


_IN_A_ROW = (
    "gateway_users_url",
    "gateway_orders_url",
    "gateway_products_url",
    "gateway_memes_url",
    "media_url",
    "ghibli_base_url",
)


class Settings(BaseModel):
    """Hold what the operator decided. Names are those of the environment, in lower case."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    # Two platforms on one machine need but this: the gateway's port, and the services' behind it in a row.
    cinema_ports: Annotated[int, Field(ge=1, le=65_529)] | None = None
    gateway_host: Annotated[Text, AfterValidator(setting_values.host)] = "127.0.0.1"
    gateway_port: Port = 8000
    gateway_workers: Annotated[int, Field(ge=1, le=256)] = 1
    gateway_users_url: HttpUrl = "http://127.0.0.1:8001"
    gateway_orders_url: HttpUrl = "http://127.0.0.1:8002"
    gateway_products_url: HttpUrl = "http://127.0.0.1:8003"
    gateway_memes_url: HttpUrl = "http://127.0.0.1:8004"
    gateway_deadline_ms: Deadline = 180
    gateway_connect_timeout_ms: Milliseconds = 50
    gateway_attempt_timeout_ms: Milliseconds = 80
    gateway_upload_timeout_s: Seconds = 30
    gateway_profile_ttl_s: Lifetime = 30
    gateway_catalogue_ttl_s: Lifetime = 300
    gateway_profile_stale_s: Lifetime = 0
    gateway_catalogue_stale_s: Lifetime = 300
    gateway_retry_attempts: Annotated[int, Field(ge=1, le=5)] = 2
    gateway_retry_base_ms: Annotated[int, Field(ge=0, le=10_000)] = 25
    gateway_breaker_failures: Annotated[int, Field(ge=1, le=1_000_000)] = 5
    gateway_breaker_reset_s: Annotated[float, Field(gt=0, le=3_600, allow_inf_nan=False)] = 1.0
    gateway_pool_size: Annotated[int, Field(ge=1, le=65_535)] = 100
    gateway_cache_bytes: Positive = 67_108_864
    gateway_near_cache: bool = True
    gateway_compression: bool = True
    gateway_max_connections: Annotated[int, Field(ge=1, le=1_000_000)] = 12_000
    gateway_connections_per_client: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    gateway_rate_limit: Annotated[str, AfterValidator(setting_values.rate)] = "12000/60"
    gateway_rate_limits: Annotated[Text, AfterValidator(setting_values.rates)] = ""
    gateway_trusted_proxies: Annotated[Text, AfterValidator(setting_values.networks)] = ""
    gateway_cors_origins: Annotated[Text, AfterValidator(setting_values.origins)] = ""
    gateway_auth: Literal["off", "key", "jwt"] = "off"
    gateway_api_keys_file: Place | None = None
    gateway_jwt_jwks_url: Text = ""
    gateway_jwt_secret: Text = ""
    gateway_jwt_algorithms: Text = ""
    gateway_jwt_audience: Text = ""
    gateway_jwt_issuer: Text = ""
    gateway_jwt_leeway_s: Annotated[float, Field(ge=0, le=600, allow_inf_nan=False)] = 0.0
    gateway_admin_key: (
        Annotated[str, Field(min_length=16, max_length=1_024), AfterValidator(setting_values.token)] | None
    ) = None
    gateway_trusted_hosts: Annotated[Text, AfterValidator(setting_values.hosts)] = ""
    docs_only: bool = False
    films: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    memes: Annotated[int, Field(ge=0, le=10_000)] = 300
    redis_url: Annotated[Text, AfterValidator(setting_values.redis_url)] | None = None
    redis_ca_file: Place | None = None  # becomes a part of the address
    redis_prefix: Annotated[str, AfterValidator(setting_values.redis_prefix)] = "cinema"
    redis_timeout_ms: Milliseconds = 20
    search_url: HttpUrl | None = None
    search_dir: Place = Path("./data/index")
    search_user: Annotated[Text, AfterValidator(setting_values.user)] | None = None
    search_password: Text | None = None
    search_timeout_ms: Milliseconds = 140
    search_etl_interval_s: Seconds = 60
    search_etl_batch: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    search_etl_state: Annotated[Path, AfterValidator(setting_values.replaceable)] = Path(
        "./data/etl-state.json"
    )
    database_url: Annotated[Text, AfterValidator(setting_values.database_url)] = (
        "sqlite+aiosqlite:///./data/cinema.db"
    )
    database_pool_size: Annotated[int, Field(ge=1, le=1_000)] = 10
    media_url: HttpUrl = "http://127.0.0.1:8005"
    media_token: Annotated[Text, AfterValidator(setting_values.token)] | None = None
    media_store: Literal["local", "s3"] = "local"
    media_dir: Place = Path("./data/media")
    media_s3_endpoint: HttpUrl | None = None
    media_s3_bucket: Annotated[Text, AfterValidator(setting_values.bucket)] | None = None
    media_s3_region: Annotated[Text, AfterValidator(setting_values.bucket)] | None = None
    media_s3_access_key: Annotated[Text, AfterValidator(setting_values.token)] | None = None
    media_s3_secret_key: Annotated[Text, AfterValidator(setting_values.token)] | None = None
    media_max_bytes: Positive = 20_971_520
    media_max_pixels: Positive = 50_000_000
    ghibli_base_url: HttpUrl = "http://127.0.0.1:8006"
    # The contract's bound on age: data of the film API is never older than this.
    ghibli_ttl_s: Annotated[int, Field(ge=1, le=60)] = 60
    ghibli_timeout_ms: Deadline = 3_000
    sentry_dsn: Annotated[Text, AfterValidator(setting_values.dsn)] | None = None
    sentry_environment: Text = "local"
    sentry_traces_rate: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.0
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(setting_values.upper)
    ] = "INFO"
    log_format: Literal["json", "text"] = "json"
    log_sample: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 1.0

    @model_validator(mode="before")
    @classmethod
    def _with_ports(cls, said: dict[str, Any]) -> dict[str, Any]:
        """Let what is not said follow `CINEMA_PORTS`; what that must be is told where it is checked."""
        try:
            # As it is read there: with blanks around it, too.
            first = int(str(said.get("cinema_ports") or ""))
        except ValueError:
            return said
        addresses = {name: f"http://127.0.0.1:{number}" for number, name in enumerate(_IN_A_ROW, first + 1)}
        return {"gateway_port": first, **addresses, **said}

    @model_validator(mode="before")
    @classmethod
    def _with_authorities(cls, said: dict[str, Any]) -> dict[str, Any]:
        """Let Redis be believed by whom `REDIS_CA_FILE` names; what both must be is told where they are checked."""
        url, file = said.get("redis_url"), said.get("redis_ca_file")
        if not (url and file):
            return said
        return {**said, "redis_url": setting_values.with_authorities(str(url), str(file))}

    @field_validator("*", mode="before")
    @classmethod
    def _must_be_one_line(cls, value: object) -> object:
        return setting_values.one_line(value)

    @model_validator(mode="after")
    def _must_agree(self) -> Self:
        for name in ("gateway_connect_timeout_ms", "gateway_attempt_timeout_ms", "search_timeout_ms"):
            # Promise D3: a time-out that the deadline always beats is a mistake, not a choice.
            if getattr(self, name) >= self.gateway_deadline_ms:
                raise ValueError(
                    f"{name.upper()}: must be below GATEWAY_DEADLINE_MS ({self.gateway_deadline_ms})"
                )
        if self.media_store == "s3":
            for name in ("endpoint", "bucket", "region", "access_key", "secret_key"):
                if not getattr(self, f"media_s3_{name}"):
                    raise ValueError(f"MEDIA_S3_{name.upper()}: must be set when MEDIA_STORE is s3")
        self._must_know_callers()
        idle = without_effect(self.model_fields_set)
        if idle is not None:
            raise ValueError(idle)
        return self

    def _must_know_callers(self) -> None:
        """Raise `ValueError` where writing is guarded, and nothing says by what."""
        if self.gateway_auth == "key" and self.gateway_api_keys_file is None:
            raise ValueError("GATEWAY_API_KEYS_FILE: must be set when GATEWAY_AUTH is key")
        try:
            tokens = self.tokens
        except ConfigError as error:
            raise ValueError(_TOKEN_SETTING.sub(lambda one: _token_variable(one[1]), str(error))) from None
        if self.gateway_auth == "jwt" and not (tokens.jwks_url or tokens.secret):
            raise ValueError(
                "GATEWAY_JWT_JWKS_URL: it or GATEWAY_JWT_SECRET must be set when GATEWAY_AUTH is jwt"
            )

    @property
    def tokens(self) -> JwtSettings:
        """Return what tokens must be, where they say who may write."""
        return JwtSettings(
            jwks_url=self.gateway_jwt_jwks_url,
            secret=self.gateway_jwt_secret,
            algorithms=setting_values.items(self.gateway_jwt_algorithms),
            audience=setting_values.items(self.gateway_jwt_audience),
            issuer=self.gateway_jwt_issuer,
            leeway=self.gateway_jwt_leeway_s,
        )

    def __repr_args__(self) -> Iterable[tuple[str | None, object]]:
        """Show everything but secrets."""
        return [(name, "…" if SECRET.search(str(name)) else value) for name, value in super().__repr_args__()]

    @property
    def rate_limit(self) -> RateLimit | None:
        """Return the limit per client address; None if it is off."""
        requests, _, seconds = self.gateway_rate_limit.partition("/")
        return RateLimit(int(requests), int(seconds)) if seconds else None

    @property
    def rate_limits(self) -> tuple[str, ...]:
        """Return the further limits of single routes, as in "/memes=60/60"."""
        return setting_values.items(self.gateway_rate_limits)

    @property
    def trusted_proxies(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Return the networks whose forwarding headers are believed."""
        return tuple(ip_network(item) for item in setting_values.items(self.gateway_trusted_proxies))

    @property
    def trusted_hosts(self) -> tuple[str, ...]:
        """Return the names under which the gateway is served; any if there are none."""
        return setting_values.items(self.gateway_trusted_hosts)

    @property
    def cors_origins(self) -> tuple[str, ...]:
        """Return the origins whose pages may read our answers."""
        return setting_values.items(self.gateway_cors_origins)


def load(env_file: Path | None = Path(".env")) -> Settings:
    """Read the settings from the environment and from a file of the same form.

    Raises:
        SettingsError: a value is out of bounds or excludes another, or a name is nobody's.

    """
    try:
        file = read_env_file(env_file)
    except EnvFileError as error:
        raise SettingsError(str(error)) from error
    written, environment = without_links(file.values), without_links(os.environ)
    for name in (*written, *environment):
        wrong = nobodys(name, _KNOWN)
        if wrong:
            raise SettingsError(wrong + ("" if name in environment else f" ({env_file}:{file.lines[name]})"))
    said = {
        name.lower(): (value, "" if source is environment else f" ({env_file}:{file.lines[name]})")
        for source in (written, environment)
        for name, value in source.items()
        if value and name.upper() in _KNOWN
    }
    said |= {name.lower(): (value, "") for name, value in _from_files({**written, **environment}).items()}
    try:
        share_variables(written)
        return Settings.model_validate({name: value for name, (value, _) in said.items()})
    except ConfigError as error:
        raise SettingsError(str(error)) from None
    except ValidationError as error:
        places = {name: place for name, (_, place) in said.items()}
        raise SettingsError(_one_line(error.errors(include_url=False), places)) from None


def _from_files(said: Mapping[str, str]) -> dict[str, str]:
    try:
        return values_from_files(said, _KNOWN)
    except ValueError as error:
        raise SettingsError(str(error)) from None


_KNOWN = tuple(name.upper() for name in Settings.model_fields)


def _one_line(errors: list[ErrorDetails], places: dict[str, str]) -> str:
    first = errors[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return told(first, Settings.model_fields.get(name)) + places.get(name, "") + more
