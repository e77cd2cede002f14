"""What the door of each gateway process may take."""

from ipaddress import ip_network

from cinema.gateway.admission import admission
from cinema.settings import Settings
from stagedoor._face.serving import limits_of


def test_the_doors_bounds_are_those_of_the_settings() -> None:
    """CONTRACTS 16: per process, so that each worker has all of them; 0 leaves clients unbounded."""
    plain = limits_of(admission(Settings()))
    given = limits_of(
        admission(
            Settings(
                gateway_max_connections=7,
                gateway_connections_per_client=3,
                gateway_trusted_proxies="10.0.0.0/8",
            )
        )
    )

    assert (plain.max_connections, plain.per_client, plain.proxies) == (12_000, 0, ())
    assert (given.max_connections, given.per_client, given.proxies) == (7, 3, (ip_network("10.0.0.0/8"),))
