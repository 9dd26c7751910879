"""What packaging raises."""


class ConversionError(Exception):
    """This estimator does not compile to ONNX; the message is the reason, in one line. Our own converters raise it, too."""
