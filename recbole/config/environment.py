"""Options of the environment a run happens in: seed, device, folders, what is printed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, field_validator

from recbole.config.options import Options
from recbole.errors import ConfigError

if TYPE_CHECKING:
    import torch


#: NumPy's global generator takes no other.
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]


class EnvironmentOptions(Options):
    """Where and how a run happens; nothing here changes what is computed but seeds and device."""

    seed: Seed = Field(2020, description="random seed of split, initialisation and training")
    seeds: list[Seed] | None = Field(
        None, description="one run under each of these seeds instead, such as 2020,2021,2022"
    )
    seeds_together: Literal["auto"] | bool = Field(
        "auto", description="train the runs of `seeds` at the same time; auto: on CUDA"
    )
    reproducibility: bool = Field(True, description="deterministic algorithms where torch has them")
    use_gpu: bool = Field(True, description="train on CUDA where there is a device")
    gpu_id: int | str = Field("0", description="number of the CUDA device to use")
    state: str = Field("INFO", description="logging level: DEBUG, INFO, WARNING, ERROR or CRITICAL")
    show_progress: bool = Field(True, description="progress bars, where the output is a terminal")
    checkpoint_dir: str = Field("saved", description="folder of checkpoints and results")
    log_tensorboard: bool = Field(True, description="write TensorBoard scalars to log_tensorboard/")

    @field_validator("seeds", mode="before")
    @classmethod
    def _list_of_seeds(cls, seeds: Any) -> Any:
        """YAML takes 2020,2021 for text, and 2020 for a number."""
        if isinstance(seeds, str):
            parts = [part.strip() for part in seeds.split(",")]
            if not all(part.isdecimal() for part in parts):
                raise ValueError("expected whole numbers, such as 2020,2021,2022")
            return [int(part) for part in parts]
        return [seeds] if isinstance(seeds, int) else seeds

    @field_validator("seeds")
    @classmethod
    def _distinct_seeds(cls, seeds: list[int] | None) -> list[int] | None:
        if seeds is not None and (not seeds or len(set(seeds)) < len(seeds)):
            raise ValueError("expected at least one seed, none of them twice")
        return seeds

    @field_validator("state")
    @classmethod
    def _known_level(cls, state: str) -> str:
        levels = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
        if state.upper() not in levels:
            raise ValueError(f"expected one of {', '.join(levels)}")
        return state.upper()

    @field_validator("gpu_id")
    @classmethod
    def _one_device(cls, gpu_id: int | str) -> str:
        number = str(gpu_id).strip()
        if not number.isdecimal():
            raise ValueError("expected the number of one device, such as 0")
        return number


def select_device(options: EnvironmentOptions) -> tuple[torch.device, Literal["asked", "fallback"]]:
    """The device to train on, and whether it is the one asked for or the CPU for want of CUDA.

    Raises:
        ConfigError: `gpu_id` names a device that this machine does not have.
    """
    import torch

    if not options.use_gpu:
        return torch.device("cpu"), "asked"
    if not torch.cuda.is_available():
        return torch.device("cpu"), "fallback"
    if gpu_is_missing(options):
        count = torch.cuda.device_count()
        raise ConfigError(
            f"Option 'gpu_id': expected a device from 0 to {count - 1} (this machine has {count}),"
            f" got {options.gpu_id}"
        )
    return torch.device("cuda", int(options.gpu_id)), "asked"


def gpu_is_missing(options: EnvironmentOptions) -> bool:
    """Whether `gpu_id` names a device that this machine, which has others, does not have."""
    import torch

    if not options.use_gpu or not torch.cuda.is_available():
        return False
    return int(options.gpu_id) >= torch.cuda.device_count()
