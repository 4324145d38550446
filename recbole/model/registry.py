"""From the name of a model to its class."""

from __future__ import annotations

import importlib
import importlib.util

from recbole.errors import ConfigError, did_you_mean
from recbole.model.abstract_recommender import ContextRecommender

MODEL_NAMES = ("AutoInt", "DCNV2", "EulerNet", "FiGNN", "NFM", "WideDeep", "xDeepFM")

_PACKAGE = "recbole.model.context_aware_recommender"


def model_class(name: str) -> type[ContextRecommender]:
    """The class of a model; only its own module is imported.

    A model of one's own is found where RecBole looks for it, too: a class `MyModel` in
    `recbole/model/context_aware_recommender/mymodel.py`.

    Raises:
        ConfigError: there is no such model, or its module holds no such class.
    """
    module_name = f"{_PACKAGE}.{name.lower()}"
    if not name.isidentifier() or importlib.util.find_spec(module_name) is None:
        raise ConfigError(
            f"Unknown model '{name}'; expected one of {', '.join(MODEL_NAMES)}, or a class in a "
            f"module {_PACKAGE}.<its name in lower case>." + did_you_mean(name, MODEL_NAMES)
        )
    found = getattr(importlib.import_module(module_name), name, None)
    if not (isinstance(found, type) and issubclass(found, ContextRecommender)):
        raise ConfigError(
            f"Module {module_name} has no ContextRecommender named '{name}' (upper and lower case "
            "matter)." + did_you_mean(name, MODEL_NAMES)
        )
    return found
