"""Train, sweep and compare small models."""
