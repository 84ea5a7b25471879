"""The layers: each with its constructor, its shape rule and its meaning."""

from .base import *
