"""RecBole's interface for click-through-rate models, trained on ratings as ratings."""

__version__ = "0.1.0"
