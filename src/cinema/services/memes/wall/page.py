"""Write the wall as HTML: every text is escaped, and the page names no host but its own."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any, Final

from cinema.services.memes.entities import tag_of
from cinema.texts import MEDIA_AWAY

__all__ = ["FIELDS", "NEW", "Wall", "render"]

_FOLDED, _FOLDED_LINES = 200, 6  # characters, and ends of lines
_MORE: Final = '<details class="more"><summary><span>Read on</span><span>Show less</span></summary></details>'
NEW: Final = "new"  # the form that adds a meme, where others have the id of theirs

_STYLE: Final = Path(__file__).with_name("style.css").read_text("utf-8")
_SCRIPT: Final = Path(__file__).with_name("script.js").read_text("utf-8")


def _hash_of(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


# Style and script stand in the page and are known by their digests: nothing that a meme says can be either.
FIELDS: Final = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src {_hash_of(_STYLE)}; script-src {_hash_of(_SCRIPT)}; "
        "img-src 'self' blob: data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "Vary": "Accept",
}


@dataclass(frozen=True, slots=True)
class Wall:
    """What a page shows: some memes, the way on, and what went wrong with a form."""

    rows: Sequence[Mapping[str, Any]] = ()
    total: int | None = None
    older: str = ""
    is_first: bool = True
    alert: str = ""
    failed: str = ""  # the id of the meme whose form it was, or `NEW`
    pictured: bool = False  # whether it was the form for a picture
    said: Mapping[str, str] = field(default_factory=dict)
    media_away: bool = False  # whether that is what went wrong
    needs: str = ""  # what this reader lacks in order to write; "" for who may
    most: int = 0  # octets of a picture


def render(wall: Wall) -> bytes:
    """Return the page."""
    alert = f'<p class="alert" role="alert">{escape(wall.alert)}</p>' if wall.alert else ""
    count = "" if wall.total is None else f"<p>{wall.total:,} {'meme' if wall.total == 1 else 'memes'}</p>"
    title = f"{'Not saved · ' if wall.alert else ''}Meme wall · cinema"
    return f"""<!doctype html>
<html lang="en"{MEDIA_AWAY if wall.media_away else ""}><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<style>{_STYLE}</style></head><body>
<a class="skip" href="#wall">Skip to the memes</a>
<header><h1>Meme wall</h1>{count}</header>
<main>{alert}
{_new(wall)}
{_cards(wall)}
{_ways(wall)}
</main>
<footer>Pictures are shown as they were sent, without place and camera. <a href="/docs">For programs</a></footer>
<script>{_SCRIPT}</script></body></html>
""".encode("utf-8", "replace")


def _new(wall: Wall) -> str:
    if wall.needs:
        return (
            f'<p class="hint">Everybody may look. Adding and changing memes needs {escape(wall.needs)}.</p>'
        )
    said = wall.said if wall.failed == NEW else {}
    is_open = " open" if wall.failed == NEW else ""
    return f"""<details class="panel"{is_open}><summary>Add a meme</summary>
<form method="post" action="/memes" enctype="multipart/form-data" data-upload="/api/memes" data-method="POST"
data-most="{wall.most}">
{_picture("new", wall.most)}
{_texts(said.get("title", ""), said.get("description", ""), "new")}
<button>Add it to the wall</button></form></details>"""


def _picture(key: str, most: int) -> str:
    size = f"{most / 2**20:.4g} MiB" if most >= 2**20 else f"{most / 2**10:.4g} KiB"
    return f"""<label class="wide">Picture <span class="hint">PNG, JPEG, WebP or GIF, up to {size}</span>
<input type="file" name="image" required accept="image/png,image/jpeg,image/webp,image/gif"></label>
<img class="preview wide" alt="Preview of the picture" hidden>
<progress class="wide" max="1" value="0" aria-label="Upload" hidden></progress><p class="wide hint" role="status"
id="status-{key}"></p>"""


def _texts(title: str, description: str, key: str) -> str:
    return f"""<label for="title-{key}">Title <input id="title-{key}" name="title" required minlength="3"
maxlength="100" dir="auto" value="{escape(title)}" autocomplete="off"></label>
<label for="description-{key}">Description <textarea id="description-{key}" name="description" required minlength="3"
maxlength="1000" dir="auto">
{escape(description)}</textarea></label>"""


def _cards(wall: Wall) -> str:
    if not wall.rows:
        first = "" if wall.needs else " Be the first."
        return f'<p class="empty" id="wall">Nothing hangs here yet.{first}</p>'
    cards = "".join(_card(row, wall, eager=place < 4) for place, row in enumerate(wall.rows))
    return f'<ul class="wall" id="wall">{cards}</ul>'


def _card(row: Mapping[str, Any], wall: Wall, *, eager: bool) -> str:
    meme_id, title = escape(row["id"]), escape(row["title"])
    source, moment = f"/api/files/{escape(row['image_name'])}", row["created_at"]
    loading = "" if eager else ' loading="lazy"'
    return f"""<li class="card" id="meme-{meme_id}"><a href="{source}"><img src="{source}?width=320"
srcset="{source}?width=320 320w, {source}?width=640 640w" sizes="(max-width: 40rem) 92vw, 20rem" width="320"
height="240" alt="{title}"{loading} decoding="async"></a>
<h2 dir="auto">{title}</h2>{_description(row["description"])}
<time datetime="{moment.isoformat()}">{moment.day} {moment:%B %Y}</time>
{_tools(row, wall)}</li>"""


def _description(text: str) -> str:
    """Write what a meme says; a long text is folded, so that the cards beside it need not be as tall."""
    is_long = len(text) > _FOLDED or text.count("\n") >= _FOLDED_LINES
    kind, more = (' class="long"', _MORE) if is_long else ("", "")
    return f'<p dir="auto"{kind}>{escape(text)}</p>{more}'


def _tools(row: Mapping[str, Any], wall: Wall) -> str:
    if wall.needs:
        return ""
    meme_id = escape(row["id"])
    failed = wall.failed == row["id"]
    said = {**row, **wall.said} if failed else row
    return f"""<details{" open" if failed else ""}><summary aria-label="Change {escape(row["title"])}">Change</summary>
<form method="post" action="/memes/{meme_id}/edit">
<input type="hidden" name="if_match" value="{escape(tag_of(dict(row)))}">
{_texts(said["title"], said["description"], meme_id)}<button>Save</button></form>
<details{" open" if failed and wall.pictured else ""}><summary>Another picture</summary>
<form method="post" action="/memes/{meme_id}/image" enctype="multipart/form-data"
data-upload="/api/memes/{meme_id}/image" data-method="PATCH" data-most="{wall.most}">{_picture(meme_id, wall.most)}
<button>Replace the picture</button></form></details>
<details><summary>Delete</summary><form method="post" action="/memes/{meme_id}/delete">
<button class="quiet">Yes, delete it for ever</button></form></details></details>"""


def _ways(wall: Wall) -> str:
    newest = "" if wall.is_first else '<a class="button quiet" href="/memes">Newest</a>'
    older = f'<a class="button" href="{escape(wall.older)}" rel="next">Older memes</a>' if wall.older else ""
    return f'<nav aria-label="Pages">{newest}{older}</nav>' if newest or older else ""
