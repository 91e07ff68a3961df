"""Judges that use a model, cache its verdicts, or replay a recording.

Everything is imported on first use, because `OpenAIJudge` loads the HTTP library.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
