"""From a fitted estimator to an artifact: signature, conversion to ONNX, parity, or the native format with the reason."""
