"""The stand-in for the public film API: its schema, its facts and its flaws, without a network."""
