"""There are no sockets."""
