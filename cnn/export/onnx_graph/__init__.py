"""Nets as graphs of ONNX: written by the layers' `to_onnx`, and read back."""
