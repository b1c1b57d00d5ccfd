"""Style sheet and mark, under names that carry their hash: a browser keeps them, and a change has another
name."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final

from litestar import Response, get
from litestar.params import PathParameter

from pointsbank.web.guard import PUBLIC
from pointsbank.web.problems import ProblemError

_FOLDER: Final = Path(__file__).parent / "static"
_TYPES: Final = {".css": "text/css", ".svg": "image/svg+xml"}


def _load() -> tuple[dict[str, str], dict[str, tuple[bytes, str]]]:
    urls: dict[str, str] = {}
    files: dict[str, tuple[bytes, str]] = {}
    for path in sorted(_FOLDER.iterdir()):
        if path.suffix in _TYPES:
            content = path.read_bytes()
            name = f"{path.stem}.{sha256(content).hexdigest()[:12]}{path.suffix}"
            urls[path.name] = f"/static/{name}"
            files[name] = (content, _TYPES[path.suffix])
    return urls, files


ASSET_URLS, _FILES = _load()
"""The address of each asset by its file's name."""


@get("/static/{name:str}", opt=PUBLIC, include_in_schema=False)
async def serve_asset(name: Annotated[str, PathParameter(max_length=100)]) -> Response[bytes]:
    """An asset by its hashed name."""
    if name not in _FILES:
        raise ProblemError("not-found")
    content, media_type = _FILES[name]
    return Response(
        content, headers={"Cache-Control": "public, max-age=31536000, immutable"}, media_type=media_type
    )
