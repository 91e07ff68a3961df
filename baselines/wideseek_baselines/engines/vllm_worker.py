"""Code that runs in vLLM's worker processes and replaces the weights of the loaded model.

vLLM adds `ReplaceWeights` to its worker class (``worker_extension_cls``), so `self` is a worker.
"""

from __future__ import annotations

from typing import Any


class ReplaceWeights:
    """Adds `replace_weights` to a worker. The engine calls it by name through ``collective_rpc``."""

    def replace_weights(self: Any, folder: str) -> None:
        """Load the safetensors in `folder` into the model in place, with vLLM's `reload_weights`.

        On a CPU one more step is needed, because layers use a packed copy of their weights. If the output layer shares
        its weights with the input embedding, the files have no tensor for it. So `reload_weights` would keep the old
        copy.
        """
        from vllm.model_executor.layers.vocab_parallel_embedding import VocabParallelEmbedding
        from vllm.platforms import current_platform

        self.reload_weights(weights_path=folder)
        if current_platform.is_cpu():
            for layer in self.get_model().modules():
                if isinstance(layer, VocabParallelEmbedding):
                    layer.quant_method.process_weights_after_loading(layer)
