"""The meme service: pictures with a title, kept in a table, their octets in the media service.

    request ─▶ uploads (parts, bounds, spool) ─▶ Writing (key, picture, row) ─▶ changes (one transaction) ─▶ answer
                                                   └─▶ media (HTTP)                └─▶ cleanup (what is due for removal)

`changes` opens with the theory why no picture is left over and no meme without one, whenever a process dies.
"""
