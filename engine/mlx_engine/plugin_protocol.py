"""What both ends of a connection to a plugin agree on."""

MESSAGE_LIMIT = [("grpc.max_receive_message_length", 400 * 1024 * 1024)]
"""Bytes; Pulumi's own limit."""
STATUS_DETAILS = "grpc-status-details-bin"
"""The metadata in which an error tells more than its message."""
