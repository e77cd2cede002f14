"""Typed answers made of parts: declared, planned at start-up, run in parallel, judged part by part."""
