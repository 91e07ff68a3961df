"""The policies that have a name, such as "vllm" or "random"."""
