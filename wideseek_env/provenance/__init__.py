"""Provenance: what a record says about its origin, and how a resumed run is compared with it.

* `versions` has the versions of the software, and `command` the command line without keys.
* `code` finds the source files of a custom part, and `files` hashes files, each once.
* `inputs` lists everything that decides the results of a run.
* `comparing` finds what differs between a record and a new run, and refuses it by name.
* `record` makes the record itself, and `kinds` says what a folder contains.
"""
