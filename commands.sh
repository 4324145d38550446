#!/usr/bin/env bash
# The paper's sweeps: every model on every data set, binary and with the rating head at five
# ratios, under five seeds.
#
#   bash commands.sh                  everything
#   bash commands.sh ml-1m            one data set
#   bash commands.sh ml-1m DCNV2      one model on one data set
#
# Further arguments go to every run: bash commands.sh ml-1m DCNV2 --epochs=10
# PYTHON names the interpreter; DRY_RUN=1 prints the commands instead of running them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

datasets=${1:-"ml-1m yelp2018 amazon-books"}
models=${2:-"WideDeep NFM xDeepFM AutoInt FiGNN DCNV2 EulerNet"}
ratios="0.1 0.3 0.5 0.7 0.9"
seeds="2020 2021 2022 2023 2024"

train() {
    ${DRY_RUN:+echo} "${PYTHON:-python}" run_recbole.py --model="$model" --dataset="$dataset" \
        --config_files configs/paper/shared.yaml "configs/paper/$dataset-$model.yaml" \
        --seed="$seed" "$@"
}

for dataset in $datasets; do
    for model in $models; do
        for seed in $seeds; do
            train "${@:3}"
            for ratio in $ratios; do
                train --multi_cls=5 --multi_ratio="$ratio" "${@:3}"
            done
        done
    done
done
