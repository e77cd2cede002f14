"""Who may write, and who may operate: the guards of the platform, as the operator decided (contract 16)."""

from cinema.settings import Settings
from stagedoor import ApiKeys, ApiKeySettings, Guard, Jwt

__all__ = ["operators", "writers"]


def writers(settings: Settings) -> Guard | None:
    """Return the guard of what writes; None where everybody may. Reading stays open either way."""
    match settings.gateway_auth:
        case "jwt":
            return Jwt("jwt", settings=settings.tokens)
        case "key":
            return ApiKeys("api", settings=ApiKeySettings(keys_file=str(settings.gateway_api_keys_file)))
        case "off":
            return None


def operators(settings: Settings) -> Guard | None:
    """Return the guard of the admin routes; None where there are none."""
    key = settings.gateway_admin_key
    if key is None:
        return None
    return ApiKeys("admin", header="X-Admin-Key", settings=ApiKeySettings.of(admin=key))
