"""Keep pictures: judge what is uploaded, give it a name, and hand it out in parts or whole."""
