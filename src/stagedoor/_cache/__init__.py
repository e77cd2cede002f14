"""What was fetched before: entries, their freshness, and the stores that hold them."""
