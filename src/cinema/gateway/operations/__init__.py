"""What operators ask the gateway: start page, health, metrics, caches, the process itself."""
