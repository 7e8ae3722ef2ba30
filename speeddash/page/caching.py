"""What browsers may keep of the page's files, and what the server keeps of them compressed."""

from typing import Final

from flask import Request, Response, request

#: For a file whose address changes with it.
IMMUTABLE: Final = "public, max-age=31536000, immutable"
#: The path of the live path's script, which is also the name of its endpoint.
SCRIPT: Final = "/live-path.js"
#: Dash's endpoints for the files of `assets/`, and for the scripts of its components.
ASSETS: Final = "_dash_assets.static"
COMPONENTS: Final = "/_dash-component-suites/<string:package_name>/<path:fingerprinted_path>"
MAX_COMPRESSED: Final = 100


class Compressed(dict[str, bytes]):
    """Cache of compressed scripts and styles, at most `MAX_COMPRESSED`. Everything else is compressed in each request.

    Compressing plotly.js takes 0.1 s, in which no socket is served: that may happen once, but not in each request.
    """

    def set(self, key: str, value: bytes) -> None:
        """Keep a value unless its key says that it is not to be kept; the oldest one goes for it."""
        if key.endswith(";"):
            return
        if key not in self and len(self) >= MAX_COMPRESSED:
            del self[next(iter(self))]
        self[key] = value


def cache_key(asked: Request) -> str:
    """Return the address and version of a script or style; nothing for what is not to be kept. Flask-Compress puts `br;` before it."""
    return f"{asked.path}?{asked.args.get('m', '')}" if asked.endpoint in {SCRIPT, ASSETS, COMPONENTS} else ""


def keep_assets(answer: Response) -> Response:
    """Let browsers keep a file of `assets/` that was asked for by its version: Dash adds the time of its last change as `m`.

    Otherwise each reload would fetch plotly.js again, and compile it again. What was asked for by another version, for example of
    another server during an upgrade, is not kept.
    """
    # The ETag of a file begins with the time of its last change.
    if (
        request.endpoint == ASSETS
        and answer.status_code in {200, 304}
        and (answer.get_etag()[0] or "").startswith(f"{request.args.get('m')}-")
    ):
        answer.headers["Cache-Control"] = IMMUTABLE
        if answer.status_code == 200:
            answer.direct_passthrough = False
            answer.set_data(answer.get_data())  # a file that is streamed is compressed in each request
    return answer
