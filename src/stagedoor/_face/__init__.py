"""The face: declare services, screens and handlers; what runs them lies in the modules below."""
