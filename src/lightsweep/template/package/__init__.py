"""The networks of $name."""
