"""The OpenAPI 3.1 document of a set of routes, from the same declarations that serve them."""

from collections.abc import Container, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from stagedoor import _problems as problems
from stagedoor._parameters import Parameter
from stagedoor._web.routes import Documentation, Route

__all__ = ["document"]

# What a status says where a route says nothing of its own.
_USUAL = {
    400: problems.bad_request(),
    401: problems.unauthorized(),
    403: problems.forbidden(),
    404: problems.not_found(),
    405: problems.method_not_allowed("GET, HEAD"),
    409: problems.conflict(),
    412: problems.precondition_failed(),
    413: problems.too_large(),
    414: problems.uri_too_long(),
    415: problems.unsupported_media(),
    422: problems.validation(),
    429: problems.rate_limited(retry_after=1),
    500: problems.internal(),
    502: problems.upstream_garbled(),
    503: problems.upstream_unavailable(),
    504: problems.upstream_timeout(),
}
_PROBLEM = {
    "type": "object",
    "description": "A problem (RFC 9457)",
    "required": ["type", "title", "status", "detail", "instance", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
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
    "header": {"style": "simple"},
    "cookie": {"style": "form"},
}
_PAGE = "text/html"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_BODILESS = frozenset({204, 304})
_WHOLE = {"type": "integer", "minimum": 0}
_FIELDS = {"X-Total-Count": _WHOLE, "Retry-After": _WHOLE}  # the others are text
_ID_FIELD = {"X-Request-ID": "The request's id, as in every log line about it."}
_CHALLENGE_FIELD = {"WWW-Authenticate": "What credentials are needed (RFC 9110 11.6.1)."}
_WAIT_FIELD = {"Retry-After": "After how many seconds to try again."}
_REF = "#/components/schemas/{model}"


def document(
    routes: Iterable[Route], *, title: str, version: str, description: str = "", namespace: str = "gateway"
) -> dict[str, Any]:
    """Return the document of the routes that have documentation, in the order given.

    `namespace` is the gateway's name, as in the types of its problems.
    """
    shown = [(route, route.documentation) for route in routes if route.documentation is not None]
    schemas, bodies, components = _schemas(shown)
    components[_free("Problem", components)] = _PROBLEM
    paths: dict[str, dict[str, Any]] = {}
    names = set[str]()
    for route, documentation in shown:
        operation = _operation(route, documentation, schemas.get(id(route)), components, namespace)
        operation["operationId"] = _free(operation["operationId"], names)
        names.add(operation["operationId"])
        if documentation.body is not None:
            operation["requestBody"] = _request_body(documentation, bodies[id(route)])
        paths.setdefault(route.path.replace(":path}", "}"), {})[route.method.lower()] = operation
    guards = {one.security.name: dict(one.security.scheme) for _, one in shown if one.security is not None}
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "description": description},
        "paths": paths,
        "components": {"schemas": components, **({"securitySchemes": guards} if guards else {})},
    }


def _schemas(
    shown: list[tuple[Route, Documentation]],
) -> tuple[dict[int, Any], dict[int, Any], dict[str, Any]]:
    """Return the schemas of each route's answer and of its body, and the definitions that they share."""
    inputs: list[tuple[int, JsonSchemaMode, TypeAdapter[Any]]] = []
    for route, documentation in shown:
        if documentation.model is not None:
            inputs.append((id(route), "serialization", TypeAdapter(documentation.model)))
        if documentation.body is not None:
            inputs.append((id(route), "validation", TypeAdapter(documentation.body)))
    found, definitions = TypeAdapter.json_schemas(inputs, ref_template=_REF)
    components = definitions.get("$defs", {})
    for schema in (*found.values(), *components.values()):
        _spell_keys(schema, components)
    answers = {number: schema for (number, mode), schema in found.items() if mode == "serialization"}
    bodies = {number: schema for (number, mode), schema in found.items() if mode == "validation"}
    return answers, bodies, components


def _spell_keys(schema: Any, components: Mapping[str, Any]) -> None:  # noqa: ANN401 - it is JSON
    """Say of the keys of objects what is true of texts: pydantic writes an enum of numbers where "3" is sent."""
    if isinstance(schema, list):
        for one in schema:
            _spell_keys(one, components)
    if not isinstance(schema, dict):
        return
    for one in schema.values():
        _spell_keys(one, components)
    names = schema.get("propertyNames")
    if isinstance(names, dict):
        named = components.get(names.get("$ref", "").rpartition("/")[2], names)
        if named.get("type", "string") != "string":
            known = [str(one) for one in named.get("enum", ())]
            schema["propertyNames"] = {"type": "string", **({"enum": known} if known else {})}


def _request_body(documentation: Documentation, schema: object) -> dict[str, Any]:
    content = {documentation.body_type: {"schema": schema}}
    return {"required": documentation.body_required, "content": content}


def _operation(
    route: Route, documentation: Documentation, schema: object, components: dict[str, Any], namespace: str
) -> dict[str, Any]:
    parameters = [_parameter(item, components) for item in route.parameters]
    responses = {str(documentation.status): _success(documentation, schema)}
    said = (*documentation.problems, *_refused_anyhow(route, documentation))
    if "ETag" in documentation.headers:
        responses["304"] = _unchanged(documentation)
    responses |= {str(status): {"description": HTTPStatus(status).phrase} for status in documentation.also}
    for status, problem in sorted(_by_status(said).items()):
        responses[str(status)] = _refusal(problem, _example_path(route), namespace, components)
    if documentation.pages:
        for answer in responses.values():
            answer.get("content", {}).setdefault(_PAGE, {})
    operation = {
        "operationId": _operation_id(route),
        "summary": documentation.summary,
        "description": documentation.description,
        "tags": list(documentation.tags),
        "parameters": parameters,
        "responses": responses,
    }
    security = documentation.security
    if security is not None:
        operation["security"] = [{security.name: list(security.scopes)}]
    return operation | {"deprecated": True} if documentation.deprecated else operation


def _free(name: str, taken: Container[str]) -> str:
    """Return a name that nothing has yet: that one, or with a number."""
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    return found


def _operation_id(route: Route) -> str:
    path = route.path.replace(":path}", "}")
    words = path.replace("{", "").replace("}", "").replace(".", "_").replace("-", "_").split("/")
    return "_".join([route.method.lower(), *filter(None, words)])


def _parameter(item: Parameter, components: dict[str, Any]) -> dict[str, Any]:
    described = {
        "name": item.name,
        "in": item.place,
        "required": item.required or item.place == "path",
        "description": item.description,
        "schema": _shared(dict(item.schema()), components),
    }
    example = item.example
    return described | ({} if example is None else {"example": example}) | _STYLES.get(item.place, {})


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
    if documentation.media_type and documentation.status not in _BODILESS:
        answer["content"] = {documentation.media_type: {"schema": schema or {}}}
    if documentation.headers:
        answer["headers"] = _headers(documentation.headers)
    return answer


def _unchanged(documentation: Documentation) -> dict[str, Any]:
    """Return the answer to who holds the present entity tag: the same fields, and no body (RFC 9110 15.4.5)."""
    text = "What `If-None-Match` names is the present answer still; no body"
    return {"description": text, "headers": _headers(documentation.headers)}


def _headers(described: Mapping[str, str]) -> dict[str, Any]:
    return {
        name: {"description": text, "schema": _FIELDS.get(name, {"type": "string"})}
        for name, text in described.items()
    }


def _refused_anyhow(route: Route, documentation: Documentation) -> Sequence[int]:
    """Return the statuses that the gateway itself answers where the route does not tell of them.

    403 a write of a page of another site (T20); 412 an entity tag of ours that is none of those in If-Match.
    """
    said = {one if isinstance(one, int) else one.status for one in documentation.problems}
    tagged = "ETag" in documentation.headers and not route.foreign
    ours = {*({403} if route.method not in _SAFE else ()), *({412} if tagged else ())}
    return sorted(ours - said)


def _by_status(said: Iterable[int | problems.ProblemDetails]) -> dict[int, list[problems.ProblemDetails]]:
    found: dict[int, list[problems.ProblemDetails]] = {}
    for one in said:
        problem = _USUAL[one] if isinstance(one, int) else one
        found.setdefault(problem.status, []).append(problem)
    return found


def _refusal(
    said: Sequence[problems.ProblemDetails], path: str, namespace: str, components: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the answer with one status: what it means, and each problem as a client reads it."""
    form = next(name for name, schema in components.items() if schema is _PROBLEM)
    waits = any(name == b"retry-after" for name, _ in problems.fields_of(said[0]))
    content = {
        "schema": {"$ref": _REF.format(model=form)},
        "examples": {problem.kind: {"value": _rendered(problem, path, namespace)} for problem in said},
    }
    return {
        "description": "; ".join(_meaning(problem) for problem in said),
        "headers": _headers(
            _ID_FIELD | (_WAIT_FIELD if waits else {}) | (_CHALLENGE_FIELD if said[0].status == 401 else {})
        ),
        "content": {"application/problem+json": content},
    }


def _meaning(problem: problems.ProblemDetails) -> str:
    return f"{problem.title}: {'`errors` names each fault' if problem.errors else problem.detail}"


def _rendered(problem: problems.ProblemDetails, path: str, namespace: str) -> Any:  # noqa: ANN401 - it is JSON
    request_id = "5f0c2b1e9d7a4c3f8e6b0a1d2c4f7e90"
    return orjson.loads(problems.render(problem, instance=path, request_id=request_id, namespace=namespace))


def _example_path(route: Route) -> str:
    path = route.path
    for item in route.parameters:
        example = item.example
        if example is not None:
            path = path.replace(f"{{{item.name}}}", str(example))
    return path
