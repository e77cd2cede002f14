"""What stands behind the gateway: small services of one shape, each over its own tables, and a stand-in.

Each folder holds `models` (what is answered), `queries` (what is asked of the database) and `app` (the
routes). Around them stand `frame` (what every service has), `direct`
(the routes that are asked most), `answers` (bytes out) and `serve` (one process of one service). What they
share with the gateway is the kit's: the door, the middleware round every request, log lines, metrics.
"""

from dataclasses import dataclass

from cinema.settings import Settings, host_of, port_of

__all__ = ["SERVICES", "BackendService"]


@dataclass(frozen=True, slots=True)
class BackendService:
    """Name a service, the module that builds it, and the setting that says where it listens."""

    name: str
    title: str
    setting: str
    module: str

    def url(self, settings: Settings) -> str:
        """Return the address the gateway calls it by."""
        return str(getattr(settings, self.setting.lower()))

    def address(self, settings: Settings) -> tuple[str, int]:
        """Return the host and port to listen on: those of its URL."""
        url = self.url(settings)
        return host_of(url), port_of(url)


SERVICES = {
    service.name: service
    for service in (
        BackendService("users", "user-service", "GATEWAY_USERS_URL", "cinema.services.users.app"),
        BackendService("orders", "order-service", "GATEWAY_ORDERS_URL", "cinema.services.orders.app"),
        BackendService("products", "product-service", "GATEWAY_PRODUCTS_URL", "cinema.services.products.app"),
        BackendService("memes", "meme-service", "GATEWAY_MEMES_URL", "cinema.services.memes.app"),
        BackendService("media", "media-service", "MEDIA_URL", "cinema.services.media.app"),
        BackendService("ghibli", "ghibli-service", "GHIBLI_BASE_URL", "cinema.services.ghibli.app"),
    )
}
