#!/usr/bin/env bash
# The paper's sweeps: every model on every data set, binary and with the rating head at five
# ratios, under five seeds (configs/paper/sweep.yaml).
#
#   bash commands.sh                      everything
#   bash commands.sh ml-1m                one data set
#   bash commands.sh ml-1m DCNV2          one model on one data set
#   bash commands.sh ml-1m DCNV2 0.7      at one ratio; "original" is the binary model
#   bash commands.sh all DCNV2            one model on all data sets; likewise "all" models
#
# Further arguments go to the sweep, and as options to every run:
#   bash commands.sh ml-1m DCNV2 --epochs=10 --jobs=4
# What has finished is not run again, and what was interrupted goes on: repeat the command. Several
# may be started at once, also on machines that share saved/paper.
# PYTHON names the interpreter; DRY_RUN=1 prints the commands of all runs instead of running them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

sweep=("${PYTHON:-python}" run_recbole.py sweep configs/paper/sweep.yaml)
for option in dataset model ratio; do
    [[ $# -eq 0 || $1 == --* ]] && break
    case $option:$1 in
        *:all) ;;
        ratio:original) sweep+=(--variant original) ;;
        ratio:*) sweep+=(--variant "smooth-$1") ;;
        *) sweep+=("--$option=${1// /,}") ;;
    esac
    shift
done
exec "${sweep[@]}" ${DRY_RUN:+--dry_run} "$@"
