"""A Backend-for-Frontend gateway kit: declare the answer a screen needs, get it fetched, protected and explained."""
