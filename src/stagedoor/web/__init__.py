"""The rim: routes, answers, documentation and health, over ASGI."""
