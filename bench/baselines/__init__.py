"""Plain programs to compare with, each written the way its kind is usually written, and none of them slowed down."""
