"""The page at ``/graphql``: GraphiQL where ``make graphiql`` made it, else a small page of our own.

Both are whole in themselves: all that they load is served here, and their policy lets them load nothing else.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from os import PathLike, stat_result
from pathlib import Path

from starlette.responses import Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from server.settings import Settings

_HERE = Path(__file__).parent
#: what ``server/graphiql/build.mjs`` makes: a page, and beside it the folder of all that the page loads
_MADE = _HERE / "graphiql" / "dist"
_SMALL = _HERE / "static" / "graphiql.html"
_INSIDE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)
_NOTHING_ELSE = "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
#: the editor writes styles into the page as it scrolls and colours, and its icons are a font
_POLICY = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self' 'unsafe-inline';"
    f" font-src 'self' data:; img-src 'self' data:; {_NOTHING_ELSE}"
)


@dataclass(frozen=True, slots=True)
class Page:
    """A page, and what its browser is told to let it do."""

    html: str
    policy: str


def page_of(settings: Settings) -> Page:
    """The page that this server shows."""
    if _is_graphiql(settings):
        return Page((_MADE / "page.html").read_text(encoding="utf-8"), _POLICY)
    html = _SMALL.read_text(encoding="utf-8")
    hashes = {
        tag: f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for tag, text in _INSIDE.findall(html)
    }
    policy = f"default-src 'none'; script-src {hashes['script']}; style-src {hashes['style']}; {_NOTHING_ELSE}"
    return Page(html, policy)


def page_files(settings: Settings) -> Sequence[BaseRoute]:
    """What the page loads: nothing where it is the small one."""
    if not _is_graphiql(settings):
        return ()
    return [
        Mount(f"/graphql/page/{folder.name}", Kept(directory=folder)) for folder in _MADE.iterdir() if folder.is_dir()
    ]


class Kept(StaticFiles):
    """Files of a folder that is named by what they hold, so that whoever has them need not ask again."""

    def file_response(
        self, full_path: str | PathLike[str], stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


def _is_graphiql(settings: Settings) -> bool:
    return settings.graphiql and (_MADE / "page.html").exists()
