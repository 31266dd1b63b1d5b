"""What a run, a sweep or a comparison is shown as."""
