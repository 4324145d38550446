"""Property tests take the time they need, even on a busy machine, and leave no files behind."""

from hypothesis import settings

settings.register_profile("unhurried", deadline=None, database=None)
settings.load_profile("unhurried")
