"""The wall: memes as a page for people, and the forms on it. It works without its script, which only previews."""
