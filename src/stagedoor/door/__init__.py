"""The HTTP protocol at the front: it turns hostile requests away before any application code runs."""
