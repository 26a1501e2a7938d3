"""Labels: what people and programs thought of a session."""
