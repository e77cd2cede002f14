"""The order service: one folder of the shape that `cinema.services` describes."""
