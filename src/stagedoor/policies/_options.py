"""How policies refuse options that cannot work: at construction, naming the field and what would be right."""

from stagedoor.errors import ConfigError

__all__ = ["validate"]


def validate(policy: object, field: str, holds: bool, wanted: str) -> None:
    """Raise `ConfigError` unless what is wanted of a policy's field holds; not-a-number never holds."""
    if not holds:
        raise ConfigError(
            f"{type(policy).__name__}({field}={getattr(policy, field)!r}): {field} must be {wanted}"
        )
