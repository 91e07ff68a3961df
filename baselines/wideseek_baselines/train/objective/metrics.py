"""`MetricAccumulator` computes means and maxima over tokens, row by row."""

from __future__ import annotations

from torch import Tensor

from wideseek_baselines.train import distributed


class MetricAccumulator:
    """Sums, counts and maxima by name.

    The numbers stay on the device of the model until `result` is called. So adding numbers never waits for a GPU.
    """

    def __init__(self) -> None:
        self._sums: dict[str, tuple[Tensor, Tensor | int]] = {}
        self._peaks: dict[str, Tensor] = {}

    def mean(self, name: str, values: Tensor, counted: Tensor | None = None) -> None:
        """Add values to the mean called `name`. With `counted`, only the values that it marks are added."""
        total, count = self._sums.get(name, (0.0, 0))
        found, number = values.detach().double(), values.numel()
        if counted is not None:
            found, number = found * counted, counted.sum()
        self._sums[name] = (total + found.sum(), count + number)

    def peak(self, name: str, values: Tensor) -> None:
        """Add values to the maximum called `name`."""
        if values.numel():
            highest = values.detach().double().max()
            before = self._peaks.get(name)
            self._peaks[name] = highest if before is None else highest.maximum(before)

    def add(self, other: MetricAccumulator) -> None:
        """Add the sums, counts and maxima of another accumulator."""
        for name, (total, count) in other._sums.items():
            mine, number = self._sums.get(name, (0.0, 0))
            self._sums[name] = (mine + total, number + count)
        for name, highest in other._peaks.items():
            self.peak(name, highest)

    def result(self) -> dict[str, float]:
        """The means and maxima by name, over the tokens of all processes. All processes must call this method."""
        sums = {name: (float(total), int(count)) for name, (total, count) in self._sums.items()}
        peaks = {name: float(highest) for name, highest in self._peaks.items()}
        for number, (other, heights) in enumerate(distributed.gathered((sums, peaks))):
            if not number:
                sums, peaks = dict(other), dict(heights)
                continue
            for name, (total, count) in other.items():
                mine, before = sums.get(name, (0.0, 0))
                sums[name] = (mine + total, before + count)
            for name, highest in heights.items():
                peaks[name] = max(peaks.get(name, highest), highest)
        return {**{name: total / count for name, (total, count) in sums.items() if count}, **peaks}
