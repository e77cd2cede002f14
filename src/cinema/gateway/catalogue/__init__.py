"""The film catalogue: films, genres and persons over one index, in two dialects."""
