"""The OpenAPI 3.1 document of a set of routes, from the same declarations that serve them."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import TypeAdapter

from stagedoor.web.parameters import Parameter
from stagedoor.web.routes import Documentation, Route

__all__ = ["document"]

_PROBLEM_TITLES = {
    400: "The request cannot be read",
    404: "Not found",
    405: "Method not allowed",
    413: "The body is too large",
    415: "Unsupported media type",
    422: "A parameter or the body is wrong",
    429: "Too many requests",
    500: "A fault of the gateway",
    502: "An upstream answered, but not validly",
    503: "An upstream is unavailable",
    504: "An upstream was too slow",
}
_PROBLEM = {
    "type": "object",
    "description": "A problem (RFC 9457)",
    "required": ["type", "title", "status", "detail", "instance", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["loc", "msg", "type"],
                "properties": {
                    "loc": {"type": "array", "items": {"type": "string"}},
                    "msg": {"type": "string"},
                    "type": {"type": "string"},
                },
            },
        },
    },
}
# Lists are repeated parameters, and the members of an object are parameters themselves.
_STYLES: dict[str, dict[str, Any]] = {
    "path": {"style": "simple"},
    "query": {"style": "form", "explode": True},
}
_REF = "#/components/schemas/{model}"


def document(routes: Iterable[Route], *, title: str, version: str, description: str = "") -> dict[str, Any]:
    """Return the document of the routes that have documentation, in the order given."""
    shown = [(route, route.documentation) for route in routes if route.documentation is not None]
    schemas, components = _schemas(shown)
    components["Problem"] = _PROBLEM
    paths: dict[str, dict[str, Any]] = {}
    for route, documentation in shown:
        operation = _operation(route, documentation, schemas.get(id(route)), components)
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "description": description},
        "paths": paths,
        "components": {"schemas": components},
    }


def _schemas(shown: list[tuple[Route, Documentation]]) -> tuple[dict[int, Any], dict[str, Any]]:
    """Return the body schema of each route and the definitions that they share."""
    adapters = {
        id(route): TypeAdapter(documentation.model)
        for route, documentation in shown
        if documentation.model is not None
    }
    inputs = [(number, "serialization", adapter) for number, adapter in adapters.items()]
    found, definitions = TypeAdapter.json_schemas(inputs, ref_template=_REF)  # type: ignore[arg-type]
    return {number: schema for (number, _), schema in found.items()}, definitions.get("$defs", {})


def _operation(
    route: Route, documentation: Documentation, schema: object, components: dict[str, Any]
) -> dict[str, Any]:
    responses = {str(documentation.status): _success(documentation, schema)}
    responses |= {str(status): _problem(status) for status in sorted(documentation.problems)}
    return {
        "operationId": _operation_id(route),
        "summary": documentation.summary,
        "description": documentation.description,
        "tags": list(documentation.tags),
        "parameters": [_parameter(item, components) for item in route.parameters],
        "responses": responses,
    }


def _operation_id(route: Route) -> str:
    words = route.path.replace("{", "").replace("}", "").replace(".", "_").replace("-", "_").split("/")
    return "_".join([route.method.lower(), *filter(None, words)])


def _parameter(item: Parameter, components: dict[str, Any]) -> dict[str, Any]:
    described = {
        "name": item.name,
        "in": item.place,
        "required": item.place == "path" or getattr(item, "required", False),
        "description": item.description,
        "schema": _shared(dict(item.schema()), components),
        "example": item.example,
    }
    return described | _STYLES.get(item.place, {})


def _shared(schema: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    """Return the schema; one with a title stands among the components, once for all parameters that have it."""
    if (title := schema.get("title")) is None:
        return schema
    name, number = title, 1
    while components.setdefault(name, schema) != schema:
        number += 1
        name = f"{title}{number}"
    return {"$ref": _REF.format(model=name)}


def _success(documentation: Documentation, schema: object) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": documentation.summary}
    answer["content"] = {documentation.media_type: {"schema": schema or {}}}
    if documentation.headers:
        answer["headers"] = _headers(documentation.headers)
    return answer


def _headers(described: Mapping[str, str]) -> dict[str, Any]:
    return {name: {"description": text, "schema": {"type": "string"}} for name, text in described.items()}


def _problem(status: int) -> dict[str, Any]:
    return {
        "description": _PROBLEM_TITLES[status],
        "content": {"application/problem+json": {"schema": {"$ref": _REF.format(model="Problem")}}},
    }
