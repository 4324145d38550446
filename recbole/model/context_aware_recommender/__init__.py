"""The published models, one module each, and the place for a model of one's own.

`recbole.model.registry.model_class` imports them by name.
"""
