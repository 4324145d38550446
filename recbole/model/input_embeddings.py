"""The input embeddings of a model, to be looked at or disturbed where its body reads them.

All models get the vectors of their fields, x [B, F, D], from `field_embedding`: those of ids, of
sequences (after pooling) and of numbers alike. First-order terms have tables of their own, which
are no embeddings, and are left alone.

Shapes: B batch, F fields, D embedding size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from recbole.errors import ConfigError
from recbole.model.abstract_recommender import ContextRecommender


@contextmanager
def input_embeddings(
    model: ContextRecommender, replace: Callable[[Tensor], Tensor]
) -> Iterator[None]:
    """Within the block, the model's body reads `replace(x)` where it would read x [B, F, D].

    Raises:
        ConfigError: the model took its vectors elsewhere, so that nothing was replaced.
    """
    was_read = False

    def hook(module: nn.Module, inputs: object, x: Tensor) -> Tensor:  # noqa: ARG001
        nonlocal was_read
        was_read = True
        return replace(x)

    handle = model.field_embedding.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()
    if not was_read:
        raise ConfigError(
            f"{model.__class__.__name__} does not read its inputs by concat_embed_input_fields, so"
            " that its input embeddings cannot be measured or disturbed"
        )
