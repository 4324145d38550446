"""Why a loss may have become NaN or infinite: the likeliest cause, from what can be looked at."""

from __future__ import annotations

from recbole.config import Config
from recbole.data import FeatureType, Loader


def likely_cause(config: Config, train_data: Loader) -> str:
    """One sentence naming the likeliest cause and the option that mends it."""
    options = config.training
    batch = next(train_data.batches())
    for field in train_data.dataset.schema.fields:
        if field.discretised or field.type not in (FeatureType.FLOAT, FeatureType.FLOAT_SEQ):
            continue
        largest = float(batch[field.name].nan_to_num().abs().max())
        if largest > 1e3:
            return (
                f"numerical feature '{field.name}' holds values up to {largest:g}: normalise it"
                f" (--normalize_field=\"['{field.name}']\") or discretise it"
            )
    if options.enable_amp and not options.enable_scaler:
        return "mixed precision overflowed: --enable_scaler=True, or --enable_amp=False"
    if options.precision == "fp16":
        return "mixed precision overflowed: --precision=bf16 has the range of fp32"
    return f"the learning rate {options.learning_rate:g} is too high: try a tenth of it"
