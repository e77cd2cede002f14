"""Memes: passed through to their service, whose answers are held to what is promised here."""
