"""What TensorBoard shows of a run, a multirun or a sweep; `logger` is where a configuration enters."""
