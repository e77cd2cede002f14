"""A gateway that passes files through."""

from stagedoor import Gateway

app = Gateway("passing", deadline=10.0)
files = app.service("files", "http://127.0.0.1:1", attempt=5.0)
app.proxy("/files/{size}/{name}", files)
