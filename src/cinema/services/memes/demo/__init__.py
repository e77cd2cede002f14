"""Memes to begin with: pictures drawn by a seeded generator, with captions."""
