"""marshmallow shapes in and out; no database access."""
