"""Adapters for other training stacks. Each module needs the package that it is named after."""
