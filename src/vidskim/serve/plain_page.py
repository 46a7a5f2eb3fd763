"""Pages without scripts: signing in, and the list of routes."""

import base64
import hashlib
from html import escape

STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
pre, code { font: 14px/1.4 ui-monospace, monospace; }
pre { overflow-x: auto; padding: .75rem; border: 1px solid #8886; border-radius: 6px; }
section { border-top: 1px solid #8886; padding: .5rem 0; }
h2 { font-size: 1.05rem; }
input, button { font: inherit; padding: .4rem .7rem; }
td, th { text-align: left; padding: .15rem .9rem .15rem 0; vertical-align: top; }
"""
STYLE_SOURCE = f"'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'"


def plain_page(title: str, body: str) -> str:
    """An HTML document.

    Args:
        title: text.
        body: HTML; whoever makes it has escaped what it holds.
    """
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )


def login_page(problem: str = "") -> str:
    """Where a browser signs in.

    Args:
        problem: text, why the last try did not work.
    """
    told = f'<p role="alert">{escape(problem)}</p>' if problem else ""
    return plain_page(
        "vidskim",
        f'{told}<form method="post" action="/v1/session"><p><label for="token">Token of this server</label></p>'
        '<p><input id="token" name="token" type="password" autocomplete="current-password" size="44" required '
        "autofocus> <button>Sign in</button></p></form>",
    )
