"""Nets as estimators of scikit-learn: for its pipelines, searches and cross-validation, over joblib or Dask."""

try:
    import sklearn  # noqa: F401
except ImportError as error:
    raise ImportError("cnn.sklearn needs scikit-learn: pip install 'cnn-c[sklearn]'") from error

from .classifier import CNNClassifier
from .regressor import CNNRegressor

__all__ = ["CNNClassifier", "CNNRegressor"]
