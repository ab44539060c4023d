#!/bin/sh
# Trains in the background at the lowest priority; resumes where the last run stopped.
cd "$(dirname "$0")" && mkdir -p runs/toy
OMP_WAIT_POLICY=PASSIVE setsid nohup nice -n 19 "${PYTHON:-python3}" -u -m pagelens_training.train "$@" >> runs/toy/out.txt 2>&1 &
echo "$!"
