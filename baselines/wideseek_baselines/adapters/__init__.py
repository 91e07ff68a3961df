"""Adapters for other training frameworks. Each module needs the package after which it is named."""
