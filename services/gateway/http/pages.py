"""Our own pages, and the policies under which a browser shows them.

Everything comes from here: no page needs another server. Inline parts are allowed by their hash
(CSP level 2, section 8.3), so that nothing a page might be tricked into containing can run.
"""

import base64
import hashlib
import re
from pathlib import Path

import fastapi_offline
from fastapi import APIRouter
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse
from starlette.exceptions import HTTPException

router = APIRouter(include_in_schema=False)

STATIC = Path(fastapi_offline.__file__).parent / "static"
ASSETS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "redoc.standalone.js": "text/javascript",
    "favicon.png": "image/png",
}
INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
INLINE_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)
TITLE = "MiniRAG"


def policy(page: str, *more: str) -> str:
    """The Content-Security-Policy of a page: what it links from here, and what stands in it."""
    scripts = " ".join(_hash(found) for found in INLINE_SCRIPT.findall(page))
    styles = " ".join(_hash(found) for found in INLINE_STYLE.findall(page))
    parts = [
        "default-src 'none'",
        f"script-src 'self' {scripts}".rstrip(),
        "connect-src 'self'",
        "img-src 'self' data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        *(more or (f"style-src 'self' {styles}".rstrip(),)),
    ]
    return "; ".join(parts)


def _hash(inline: str) -> str:
    digest = hashlib.sha256(inline.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _swagger() -> str:
    page = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title=TITLE,
        swagger_js_url="/docs/swagger-ui-bundle.js",
        swagger_css_url="/docs/swagger-ui.css",
        swagger_favicon_url="/docs/favicon.png",
    )
    return bytes(page.body).decode()


def _redoc() -> str:
    page = get_redoc_html(
        openapi_url="/openapi.json",
        title=TITLE,
        redoc_js_url="/docs/redoc.standalone.js",
        redoc_favicon_url="/docs/favicon.png",
        with_google_fonts=False,
    )
    return bytes(page.body).decode()


SWAGGER = _swagger()
REDOC = _redoc()
# Both write styles into the page while they run; scripts stay bound to their hashes.
LOOSE_STYLES = "style-src 'self' 'unsafe-inline'"
HTML: dict[str, str] = {
    "/docs": policy(SWAGGER, LOOSE_STYLES),
    "/redoc": policy(REDOC, LOOSE_STYLES, "worker-src blob:"),
}


@router.get("/docs")
async def docs() -> HTMLResponse:
    """The interface, to be tried out."""
    return _page("/docs", SWAGGER)


@router.get("/redoc")
async def redoc() -> HTMLResponse:
    """The interface, to be read."""
    return _page("/redoc", REDOC)


@router.get("/docs/{name}")
async def asset(name: str) -> FileResponse:
    """What both pages are made of."""
    media_type = ASSETS.get(name)
    if media_type is None:
        raise HTTPException(404)
    return FileResponse(
        STATIC / name, media_type=media_type, headers={"Cache-Control": "public, max-age=86400"}
    )


def _page(path: str, page: str) -> HTMLResponse:
    return HTMLResponse(page, headers={"Content-Security-Policy": HTML[path]})
