"""Sinks of events, one a file, each importing its library lazily."""
