"""Samples from model folders with vLLM and prints ids and log-probabilities as JSON, a line a folder.

Run as a program with the folders as its arguments, because vLLM keeps a process to itself and warns a lot.
"""

from __future__ import annotations

import json
import sys


def main(folder: str) -> None:
    """One line of JSON on stdout; everything that vLLM says goes to stderr."""
    from vllm import LLM, SamplingParams

    llm = LLM(folder, dtype="float32", enforce_eager=True, max_num_seqs=4, max_model_len=512, seed=0)
    prompts = [list(range(9, 9 + length)) for length in (1, 40, 300)]
    sampling = SamplingParams(temperature=1.0, max_tokens=24, logprobs=0, ignore_eos=True, seed=1)
    outputs = llm.generate([{"prompt_token_ids": ids} for ids in prompts], sampling, use_tqdm=False)
    print(
        json.dumps(
            [
                {
                    "prompt": output.prompt_token_ids,
                    "ids": list(output.outputs[0].token_ids),
                    "logprobs": [
                        step[token].logprob
                        for token, step in zip(
                            output.outputs[0].token_ids, output.outputs[0].logprobs, strict=True
                        )
                    ],
                }
                for output in outputs
            ]
        )
    )
    llm.llm_engine.engine_core.shutdown()


if __name__ == "__main__":
    for each in sys.argv[1:]:
        main(each)
