"""Layered, typed options -> one validated Config."""

from recbole.config.configurator import Config

__all__ = ["Config"]
