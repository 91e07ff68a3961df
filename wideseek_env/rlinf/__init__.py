"""Reads the texts of the published WideSeek-R1 from a checkout of RLinf. Its code is parsed and never run."""
