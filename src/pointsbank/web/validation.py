"""Reading a request's body: strictly, straight into its struct, and with every fault named at once."""

from __future__ import annotations

from typing import Any, cast, get_args, get_origin

import msgspec
from litestar import Request
from litestar.types import Empty
from litestar.utils.scope.state import ScopeState

from pointsbank.web.problems import FieldError, ProblemError

MAX_ERRORS = 100


class BankRequest(Request[Any, Any, Any]):
    """A request whose JSON body is decoded once, by the type that its handler declares."""

    async def json(self) -> Any:
        """The body as the handler's declared type. Raises ProblemError."""
        state = ScopeState.from_scope(self.scope)
        if state.json is Empty:
            if not is_json(self.headers.get("content-type", "")):
                raise ProblemError("unsupported-media-type")
            field = cast(Any, self.route_handler).parsed_data_field
            state.json = decode(await self.body(), field.annotation if field else Any)
        return state.json


def is_json(content_type: str) -> bool:
    """Whether a Content-Type means JSON in UTF-8."""
    media_type, _, parameters = content_type.partition(";")
    charset = parameters.strip().lower()
    return media_type.strip().lower() == "application/json" and charset in (
        "",
        "charset=utf-8",
        'charset="utf-8"',
    )


def decode(body: bytes, kind: Any) -> Any:
    """Decode JSON into `kind`. Raises ProblemError: malformed-json, or invalid-request with all faults."""
    try:
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.ValidationError as error:
            # the first fault ended the reading: what comes behind it may be no JSON at all
            faults = faults_of(msgspec.json.decode(body), kind) or [FieldError("body", "", str(error))]
            raise ProblemError("invalid-request", errors=faults, count=len(faults)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProblemError("malformed-json", problem=str(error)) from error
    except RecursionError as error:
        raise ProblemError("malformed-json", problem="nested too deeply") from error


def faults_of(value: Any, kind: Any, at: str = "", limit: int = MAX_ERRORS) -> list[FieldError]:
    """Everything that is wrong with a decoded JSON value, field by field; empty if it converts to `kind`."""
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        message = str(error).split(" - at ")[0]
    else:
        return []
    struct = _struct_in(kind)
    if struct is not None and isinstance(value, dict):
        return _faults_of_struct(value, struct, at, limit) or [FieldError("body", at, message)]
    item = _item_of(kind)
    if item is not None and isinstance(value, list):
        found: list[FieldError] = []
        for position, one in enumerate(value):
            if len(found) >= limit:
                break
            found += faults_of(one, item, f"{at}[{position}]", limit - len(found))
        return found or [FieldError("body", at, message)]
    return [FieldError("body", at, message)]


def _faults_of_struct(
    value: dict[str, Any], struct: type[msgspec.Struct], at: str, limit: int
) -> list[FieldError]:
    found: list[FieldError] = []
    known = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    for name, field in known.items():
        path = f"{at}.{name}" if at else name
        if name in value:
            found += faults_of(value[name], field.type, path, limit)
        elif field.required:
            found.append(FieldError("body", path, "Missing required field"))
    if struct.__struct_config__.forbid_unknown_fields:
        found += [
            FieldError("body", f"{at}.{name}" if at else str(name), "Unknown field")
            for name in value
            if name not in known
        ]
    return found[:limit]


def _struct_in(kind: Any) -> type[msgspec.Struct] | None:
    """The one struct that a type (perhaps annotated or optional) stands for."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind
    structs = [found for part in get_args(kind) if (found := _struct_in(part)) is not None]
    is_collection = get_origin(kind) in (list, tuple, set, frozenset, dict)
    return structs[0] if len(structs) == 1 and not is_collection else None


def _item_of(kind: Any) -> Any:
    """The type of a list's items, or None if the type is no list."""
    if get_origin(kind) in (list, tuple):
        return get_args(kind)[0]
    parts = (
        [item for part in get_args(kind) if (item := _item_of(part)) is not None] if get_args(kind) else []
    )
    return parts[0] if len(parts) == 1 else None
