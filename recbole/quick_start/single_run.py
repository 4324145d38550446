"""A run under one seed, step by step: begin, prepare data, model and trainer, train, test."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from torch import nn

from recbole.config import Config
from recbole.config.environment import select_device
from recbole.data import Dataset, Loader, create_dataset, data_preparation
from recbole.data.loader import batch_sizes
from recbole.errors import ConfigError, DataError
from recbole.trainer import Trainer
from recbole.trainer.record import describe_device
from recbole.utils import get_trainer, init_logger, init_seed

logger = logging.getLogger(__name__)

#: RecBole's dictionary, see `run_recbole`.
Result = dict[str, Any]


def begin(config: Config) -> None:
    """Seed all random numbers, open the log, and say on which device the run is."""
    init_seed(config.environment.seed, config.environment.reproducibility)
    log_file = init_logger(config)
    for note in config.notes:
        logger.warning(note)
    device, how = select_device(config.environment)
    reason = ": no CUDA device was found" if how == "fallback" else ""
    logger.info("Device: %s%s", describe_device(device), reason)
    logger.info("Log file: %s", log_file)


@dataclass(frozen=True)
class SingleRun:
    """A run that is ready to be trained."""

    config: Config
    trainer: Trainer
    train_data: Loader
    valid_data: Loader
    test_data: Loader

    @classmethod
    def prepare(cls, config: Config, dataset: Dataset | None = None) -> SingleRun:
        """Data, model and trainer; a data set that is there already is not read again.

        Raises:
            DataError: there is no row to train on, or no positive in a part that is to be ranked;
                or see `data_preparation`.
            ConfigError: batches are of one row, and the model normalises over them.
        """
        dataset = create_dataset(config) if dataset is None else dataset
        logger.info("%s", dataset)
        train_data, valid_data, test_data = data_preparation(config, dataset)
        _heed_empty_parts(config, train_data, valid_data, test_data)

        init_seed(config.environment.seed, config.environment.reproducibility)
        model = config.model_class(config, train_data.dataset).to(config.device)
        _heed_single_rows(model, train_data)
        logger.info("%s", model)
        logger.info("Precision: %s", model.precision)
        trainer = get_trainer(config["MODEL_TYPE"], config.model)(config, model)
        trainer.record.data = dataset.statistics
        for loader, is_used in ((valid_data, config.training.eval_step > 0), (test_data, True)):
            if loader.num_rows and is_used:
                trainer.evaluator.prepare(loader)
        return cls(config, trainer, train_data, valid_data, test_data)

    def train_and_test(self, saved: bool) -> Result:
        """Train, then test with the best weights, or, where nothing is saved, with the last."""
        self.trainer.fit(self.train_data, self.valid_data, saved=saved)
        return self.test(saved)

    def test(self, saved: bool) -> Result:
        """Test a run that has ended training; write what there is to tell of it.

        Without test rows there is no test result, None.
        """
        trainer = self.trainer
        best_valid_score = trainer.record.best_valid_score
        best_valid_result = trainer.record.best_valid_result
        test_result = None
        if self.test_data.num_rows:
            test_result = trainer.evaluate(self.test_data, load_best_model=saved)
        logger.info("best valid : %s", best_valid_result)
        logger.info("test result: %s", test_result)
        if saved:
            trainer.record.test_result = test_result
            trainer.record.status = "finished"
            trainer.write_record()
            logger.info("Checkpoint: %s", trainer.files.checkpoint)
            logger.info("Results:    %s", trainer.files.record)
        return {
            "best_valid_score": best_valid_score,
            "valid_score_bigger": self.config.evaluation.bigger_is_better,
            "best_valid_result": best_valid_result,
            "test_result": test_result,
        }


def _heed_single_rows(model: nn.Module, train: Loader) -> None:
    """Refuse batches of one row where batch normalisation would have nothing to compare it with."""
    normalises = any(isinstance(module, nn.BatchNorm1d) for module in model.modules())
    if normalises and 1 in batch_sizes(train.num_rows, train.batch_size):
        raise ConfigError(
            f"Option 'train_batch_size': {type(model).__name__} has batch normalisation, which"
            f" needs at least 2 rows in a batch, got 1 (of {train.num_rows:,} training rows)"
        )


def _heed_empty_parts(config: Config, train: Loader, valid: Loader, test: Loader) -> None:
    """Refuse an empty training part; say what a run does without one of the others."""
    sizes = f"train {train.num_rows:,}, valid {valid.num_rows:,}, test {test.num_rows:,}"
    if config.data.benchmark_filename is None:
        split = "eval_args " + str(config.data.eval_args.model_dump(exclude={"mode"}))
    else:
        split = f"benchmark_filename {config.data.benchmark_filename}"
    if not train.num_rows:
        raise DataError(
            f"{config.dataset}: expected at least one row to train on, got none ({sizes}; {split})"
        )
    if not valid.num_rows and config.training.eval_step:
        logger.warning(
            "No validation rows (%s; %s): as with eval_step=0, all epochs are trained and the last"
            " one's weights are kept",
            sizes,
            split,
        )
    if not test.num_rows:
        logger.warning("No test rows (%s; %s): there will be no test result", sizes, split)
