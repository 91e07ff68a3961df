"""What runs inside vLLM's worker processes: replacing the weights of the loaded model.

vLLM mixes `ReplaceWeights` into its own worker class (``worker_extension_cls``), so `self` is a worker.
"""

from __future__ import annotations

from typing import Any


class ReplaceWeights:
    """Adds `replace_weights` to a worker, called by name through ``collective_rpc`` with plain arguments."""

    def replace_weights(self: Any, folder: str) -> None:
        """Load the safetensors in `folder` into the model in place, through vLLM's own `reload_weights`.

        That leaves one thing behind on a processor, where layers multiply with a packed copy of their weights: an
        output layer tied to the input embedding has no tensors of its own in the files, so its copy stays the old one.
        """
        from vllm.model_executor.layers.vocab_parallel_embedding import VocabParallelEmbedding
        from vllm.platforms import current_platform

        self.reload_weights(weights_path=folder)
        if current_platform.is_cpu():
            for layer in self.get_model().modules():
                if isinstance(layer, VocabParallelEmbedding):
                    layer.quant_method.process_weights_after_loading(layer)
