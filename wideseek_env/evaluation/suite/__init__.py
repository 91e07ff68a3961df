"""A versioned suite of benchmark tasks, and the card that it gives a model.

* `Suite` and `CURRENT` are the fixed tasks, rules and widths (`definition`).
* `run_suite` runs a policy and writes its card (`run`).
* `read_card` reads a card, and `check_comparable` compares the digests of two cards (`card`).
* `cards_table` and `write_rows` make tables of cards (`leaderboard`).
"""
