"""RecBole's options that mean nothing here, each with the reason a user is told."""

from __future__ import annotations

from typing import Any

_SEQUENTIAL = "it belongs to sequential models"
_KNOWLEDGE = "it belongs to knowledge-based models"
_ONE_PROCESS = "a run is one process so far"
_CLASS = "it is known from the model's class"
_EVAL_ARGS = "eval_args replaces it, such as eval_args: {split: {RS: [0.8,0.1,0.1]}, order: RO}"
_NEGATIVES = "train_neg_sample_args replaces it, such as train_neg_sample_args: {sample_num: 1}"
_CHECKPOINT = "a checkpoint already carries what is needed to use the model again"

#: Accepted with one warning line, whatever the value.
WITHOUT_MEANING: dict[str, str] = {
    "worker": "batches are gathered on the training device, without worker processes",
    "nproc": _ONE_PROCESS,
    "world_size": _ONE_PROCESS,
    "group_offset": _ONE_PROCESS,
    "ip": _ONE_PROCESS,
    "port": _ONE_PROCESS,
    "MODEL_TYPE": _CLASS,
    "MODEL_INPUT_TYPE": _CLASS,
    "loss_type": "the loss is that of the head: binary cross entropy, with multi_cls that of"
    " ratings beside it",
    "save_dataset": _CHECKPOINT,
    "dataset_save_path": _CHECKPOINT,
    "save_dataloaders": _CHECKPOINT,
    "dataloaders_save_path": _CHECKPOINT,
    "require_pow": "no model here uses RecBole's EmbLoss",
    "transform": _SEQUENTIAL,
    "repeatable": _SEQUENTIAL,
    "ITEM_LIST_LENGTH_FIELD": _SEQUENTIAL,
    "LIST_SUFFIX": _SEQUENTIAL,
    "MAX_ITEM_LIST_LENGTH": _SEQUENTIAL,
    "POSITION_FIELD": _SEQUENTIAL,
    "HEAD_ENTITY_ID_FIELD": _KNOWLEDGE,
    "TAIL_ENTITY_ID_FIELD": _KNOWLEDGE,
    "RELATION_ID_FIELD": _KNOWLEDGE,
    "ENTITY_ID_FIELD": _KNOWLEDGE,
    "kg_reverse_r": _KNOWLEDGE,
    "entity_kg_num_interval": _KNOWLEDGE,
    "relation_kg_num_interval": _KNOWLEDGE,
    "alias_of_entity_id": _KNOWLEDGE,
    "alias_of_relation_id": _KNOWLEDGE,
    "NEG_PREFIX": "it belongs to pairwise training; a click model is trained on labelled rows",
    "wandb_project": "runs are logged to TensorBoard, a log file and a json",
}

#: Taken for the option on the right.
SPELLINGS: dict[str, str] = {"rating_field": "RATING_FIELD"}

#: Would change a result, so only the value that asks for nothing is accepted.
NOT_SUPPORTED: dict[str, str] = {
    "alias_of_user_id": "every field has a vocabulary of its own",
    "alias_of_item_id": "every field has a vocabulary of its own",
    "preload_weight": "embeddings are learned from scratch",
    "additional_feat_suffix": "the atomic files read are .inter, .user and .item",
    "log_wandb": "runs are logged to TensorBoard, a log file and a json",
    "double_tower": "no model here has two towers",
    "eval_setting": _EVAL_ARGS,
    "split_ratio": _EVAL_ARGS,
    "leave_one_num": _EVAL_ARGS,
    "group_by_user": _EVAL_ARGS,
    "neg_sampling": _NEGATIVES,
    "training_neg_sample_num": _NEGATIVES,
}


def asks_for_nothing(value: Any) -> bool:
    """Whether a value of a `NOT_SUPPORTED` option leaves things as they are."""
    return value in (None, False, 0, [], {})
