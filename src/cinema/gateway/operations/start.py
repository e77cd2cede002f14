"""/: where everything is, as a page for people and as JSON for programs."""

from collections.abc import Sequence
from html import escape

from cinema.accept import prefers_html

__all__ = ["DOCS", "HTML", "MONITORING", "page", "prefers_html"]

HTML = {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    ),
}
DOCS = ("/docs", "/redoc", "/openapi.json", "/api/docs", "/api/redoc", "/v1/docs")
_EXAMPLES = (
    "/api/profile/user123",
    "/api/v1/films?sort=-imdb_rating&page_size=50&page_number=1",
    "/api/v1/films/search?query=star",
    "/v1/films?title=star&imdb_rating=7&imdb_rating=",
    "/api/v1/genres",
    "/movies/",
    "/memes",
)
MONITORING = {
    "health": "/health",
    "live": "/health/live",
    "ready": "/health/ready",
    "metrics": "/metrics",
    "cache": "/api/cache/stats",
    "system": "/api/system/info",
}


def page(shown: Sequence[str], version: str) -> str:
    """Return the page: calls that work as written, documents, state, and the given routes."""
    calls = "".join(f'<li><a href="{escape(path)}">{escape(path)}</a></li>' for path in _EXAMPLES)
    docs = "".join(f'<li><a href="{path}">{path}</a></li>' for path in DOCS)
    state = "".join(f'<li><a href="{path}">{path}</a></li>' for path in MONITORING.values())
    routes = "".join(f"<li><code>{escape(route)}</code></li>" for route in shown)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>cinema</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<style>
 :root {{ color-scheme: light dark; --paper: #f6f5f1; --card: #fff; --ink: #1d1d28; --line: #e3dfd3;
  --accent: #8a2b3f }}
 @media (prefers-color-scheme: dark) {{
  :root {{ --paper: #14121c; --card: #1e1b2a; --ink: #f1eefa; --line: #37324a; --accent: #ff8fab }} }}
 body {{ font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 }}
 header {{ background: #1d1d28; color: #f6f5f1; padding: 2.5rem max(1.5rem, (100% - 60rem) / 2 + 1.5rem) }}
 header h1 {{ margin: 0; font-size: 2rem }} header p {{ margin: .3rem 0 0; color: #c9c4b5 }}
 main {{ max-width: 60rem; margin: 0 auto; padding: 1.5rem; display: grid; gap: 1.5rem;
        grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr)) }}
 section {{ background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: 1rem 1.25rem }}
 h2 {{ font-size: 1.05rem; margin: 0 0 .5rem }} ul {{ margin: 0; padding-left: 1.1rem }} li {{ margin: .2rem 0 }}
 a {{ color: var(--accent); overflow-wrap: anywhere }} code {{ font-size: .9rem; overflow-wrap: anywhere }}
 section.wide {{ grid-column: 1 / -1 }} section.wide ul {{ columns: 18rem }}
</style></head><body>
<header><h1>cinema</h1><p>One door to customer profiles, films and more. Version {escape(version)}.</p></header>
<main>
<section><h2>Try</h2><ul>{calls}</ul></section>
<section><h2>Documentation</h2><ul>{docs}</ul></section>
<section><h2>State</h2><ul>{state}</ul></section>
<section class="wide"><h2>Everything it answers</h2><ul>{routes}</ul></section>
</main></body></html>"""
