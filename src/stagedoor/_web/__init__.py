"""The web: routes, answers, documentation and health, over ASGI."""
