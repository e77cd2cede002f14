"""Judge pictures by decoding all of them, in a process that may die of it.

    file ─▶ bare (what is kept of it, counted) ─▶ file ─▶ decode (every frame) ─▶ verdict

`png`, `jpeg`, `gif` and `webp` walk over a file's own structure and keep what is the picture: no decoder sees the
rest, and neither does anybody who is served it later. What was kept is then decoded whole, so that what is stored is
what was judged. `worker` does this in a child whose memory and time are bounded; nothing here needs more than the
standard library and Pillow, so that a child starts fast.
"""
