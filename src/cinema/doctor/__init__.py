"""`cinema doctor`: what is wrong with the platform and what to do, in plain words; nothing where all is well."""
