"""Sessions of browsers: tokens stay here, a browser has an id (draft-ietf-oauth-browser-based-apps 6.1)."""
