"""Overrides: the list of what is set apart, and the form that sets one rule of one or many accounts apart."""

from accounts.views.overrides.listed import end, overrides
from accounts.views.overrides.setting import choose_for, new, wanted_of

__all__ = ["choose_for", "end", "new", "overrides", "wanted_of"]
