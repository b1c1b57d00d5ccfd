"""The API's document as a page: drawn from the same OpenAPI document that programs read."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec
from litestar import Litestar, Response, get

from pointsbank.web.guard import PUBLIC
from pointsbank.web.pages.render import draw
from pointsbank.web.validation import BankRequest

METHODS = ("get", "post", "put", "patch", "delete")


class Operation(msgspec.Struct, frozen=True):
    """One operation as the page shows it."""

    method: str
    path: str
    anchor: str
    title: str
    text: str
    scope: str
    parameters: list[tuple[str, str, str, bool]]
    body: tuple[str, list[tuple[str, str, str, bool]]] | None
    answers: list[tuple[str, str, str]]


@get("/api-docs", opt=PUBLIC, include_in_schema=False)
async def show_api(request: BankRequest) -> Response[bytes]:
    """Every operation with its parameters, body and answers."""
    return draw(request, "api.html", keeps=True, groups=_groups(request.app))


@lru_cache(maxsize=1)
def _groups(app: Litestar) -> list[tuple[str, list[Operation]]]:
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(app.openapi_schema.to_schema()))
    scopes = _scopes(app)
    groups: dict[str, list[Operation]] = {}
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                tag = (item[method].get("tags") or ["—"])[-1]
                scope = scopes.get((path, method.upper()), "")
                groups.setdefault(tag, []).append(_operation(document, path, method, item[method], scope))
    return list(groups.items())


def _scopes(app: Litestar) -> dict[tuple[str, str], str]:
    """The scope of each operation by path and method, as the guard enforces it."""
    found: dict[tuple[str, str], str] = {}
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            for method in handler.http_methods:
                found[route.path_format or "/", str(method)] = handler.opt.get("scope", "")
    return found


def _operation(
    document: dict[str, Any], path: str, method: str, what: dict[str, Any], scope: str
) -> Operation:
    parameters = [
        (p["name"], p["in"], _type(p.get("schema", {})) + _note(p), bool(p.get("required")))
        for p in what.get("parameters", [])
    ]
    body = None
    if "requestBody" in what:
        schema = next(iter(what["requestBody"]["content"].values()))["schema"]
        body = (_type(schema), _fields(document, schema))
    answers = [
        (status, answer.get("description", ""), _content(answer))
        for status, answer in sorted(what["responses"].items())
    ]
    return Operation(
        method.upper(),
        path,
        what["operationId"],
        what.get("summary", ""),
        what.get("description", ""),
        scope,
        parameters,
        body,
        answers,
    )


def _fields(document: dict[str, Any], schema: dict[str, Any]) -> list[tuple[str, str, str, bool]]:
    name = schema.get("$ref", "").rpartition("/")[2]
    found = document["components"]["schemas"].get(name, {})
    required = set(found.get("required", ()))
    rows = []
    for field, its_schema in found.get("properties", {}).items():
        rows.append((field, _type(its_schema), its_schema.get("description", ""), field in required))
    return rows


def _content(answer: dict[str, Any]) -> str:
    return "; ".join(
        f"{media_type} {_type(content.get('schema', {}))}".strip()
        for media_type, content in answer.get("content", {}).items()
    )


def _type(schema: dict[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    for several in ("oneOf", "anyOf"):
        if several in schema:
            return " | ".join(dict.fromkeys(_type(part) for part in schema[several]))
    if schema.get("type") == "array":
        return f"[{_type(schema.get('items', {}))}]"
    kinds = schema.get("type", "")
    return " | ".join(kinds) if isinstance(kinds, list) else str(kinds)


def _note(parameter: dict[str, Any]) -> str:
    text = parameter.get("description") or parameter.get("schema", {}).get("description", "")
    return f" · {text}" if text else ""
