"""What the session page shows, made ready for its templates: read here, in words here, drawn here."""
