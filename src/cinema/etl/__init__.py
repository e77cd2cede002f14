"""From the source database into the search indices: extract, transform, load; see `cinema.etl.passes`."""
