"""WideSeek inside other training stacks; each module needs the package that it is named after."""
