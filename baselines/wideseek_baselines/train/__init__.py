"""Training of language models on recorded episodes: small pure modules, and one readable script per algorithm.

`samples` turns episodes into `packing.Example`s, `packing` joins those into rows without padding, `model` scores the
tokens of a row, `losses` makes a loss of it, `optim` steps, `checkpoint` keeps. `sft` is the script of the supervised
warm start. Modules below this package import torch when they are imported; this one does not.
"""
