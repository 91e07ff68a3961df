"""Judges that use a model, cache its verdicts, or replay a recording.

Names are imported when they are first used, because `OpenAIJudge` loads an HTTP library.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
