"""The films of a third party: its lists of films and people, joined, and never older than a minute."""
