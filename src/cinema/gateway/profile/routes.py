"""`GET /api/profile/{user_id}`: the profile screen, kept for a moment, never kept in part."""

from cinema.gateway.profile.aggregate import declare, delivered
from cinema.gateway.profile.models import Profile
from cinema.gateway.profile.sources import Orders, Products, UserNotFound, Users
from cinema.gateway.upstreams import Upstreams
from cinema.settings import Settings
from stagedoor import problems
from stagedoor.aggregate import Plan
from stagedoor.cache.store import Store
from stagedoor.call import Call, Env, Policy
from stagedoor.policies.cached import Cached
from stagedoor.policies.coalesced import Coalesced
from stagedoor.upstream import Upstream
from stagedoor.web.aggregated import Rendered, RenderedCodec, Values, aggregate_route
from stagedoor.web.parameters import Text
from stagedoor.web.routes import Documentation, Route

__all__ = ["profile_route"]

# Rendering, and the way back to the client, take what the parts leave of the request's deadline.
RENDERING = 0.015

_USER_ID = Text(
    name="user_id",
    description="The customer's id: any text without control characters.",
    example="user123",
    never=(".", ".."),
)
_DOCUMENTATION = Documentation(
    summary="A customer's profile",
    description=(
        "The user, their orders and the products in them, asked in parallel. The user is required; orders and "
        "products that cannot be had are empty, and `metadata.parts` and `Stagedoor-Parts` say why. Complete answers "
        "are kept for a moment; an incomplete one never is."
    ),
    tags=("profile",),
    model=Profile,
    problems=(404, 422, 429, 500, 502, 503, 504),
    headers={
        "Stagedoor-Parts": "The verdict of each part, as an RFC 9651 dictionary: `user=fresh, orders=cached`.",
        "Server-Timing": "How long each part took, in milliseconds.",
        "Cache-Status": "Whether the answer was kept (RFC 9211).",
        "Cache-Control": "How long a client may keep the answer: the lifetime that remains.",
        "X-Request-ID": "The request's id, as in every log line about it.",
    },
)


def profile_route(
    settings: Settings, upstreams: Upstreams, store: Store, env: Env
) -> tuple[Route, Plan[Profile], Upstream[Values, Rendered]]:
    """Return the route, its plan, and the upstream that keeps its answers."""
    lifetime = float(settings.gateway_profile_ttl_s)
    plan = declare(settings.gateway_deadline_ms / 1000 - RENDERING).plan(
        sources={
            "users": Users(upstreams.users),
            "order_book": Orders(upstreams.orders),
            "shop": Products(upstreams.products),
        },
        values={"user_id": str},
    )
    route, upstream = aggregate_route(
        "/api/profile/{user_id}",
        plan,
        *_kept(settings, store),
        Coalesced(),
        env=env,
        parameters=(_USER_ID,),
        documentation=_DOCUMENTATION,
        public=True,
        lifetime=lifetime,
        finish=delivered,
        problem=_problem,
    )
    return route, plan, upstream


def _kept(settings: Settings, store: Store) -> list[Policy[Values, Rendered]]:
    """Return the cache round the whole answer; none for a lifetime of 0."""
    if settings.gateway_profile_ttl_s == 0:
        return []
    kept: Cached[Values, Rendered] = Cached(
        store=store,
        codec=RenderedCodec(),
        lifetime=float(settings.gateway_profile_ttl_s),
        stale_while_revalidate=float(settings.gateway_profile_stale_s),
        stale_if_error=float(settings.gateway_profile_stale_s),
        key=_key,
    )
    return [kept]


def _key(call: Call[Values]) -> str:
    return f"profile:{call.payload['user_id']}"


def _problem(error: Exception) -> problems.Problem:
    return (
        problems.not_found("user not found")
        if isinstance(error, UserNotFound)
        else problems.problem_of(error)
    )
