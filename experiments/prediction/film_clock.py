"""The times of a film's frames, whatever its own clock says."""

LONGEST_GAP = 600.0
"""Seconds between two frames. A longer gap is a clock that was set anew, as where two recordings are joined."""
LONGEST = 35000.0
"""Seconds, also where such gaps are usual: readers of an mp4 take at most 31 bits of its ticks."""
SHORTEST_RETURN = 1.0
"""Seconds back that are a clock set anew. Less is the order of decoding, which some files give instead of times."""


class Clock:
    """Times from zero that always grow, of frames whose own times may be missing, repeated or set anew.

    Args:
        rate: frames a second, on average.
        usual_gap: seconds from one frame to the next; long in a timelapse. 0 if that is not known.
    """

    def __init__(self, rate: float, usual_gap: float = 0.0) -> None:
        self._step = 1 / rate
        self._longest = min(max(LONGEST_GAP, 3 * usual_gap), LONGEST)
        self._offset = 0.0
        self._last = 0.0
        self._started = False

    def tell(self, seconds: float | None) -> float:
        """The time of the next frame, whose own clock says ``seconds``."""
        if not self._started:
            self._started, self._offset = True, seconds or 0.0
            return 0.0
        time = None if seconds is None else seconds - self._offset
        if time is None or not self._last < time <= self._last + self._longest:
            is_anew = time is not None and not self._last - SHORTEST_RETURN < time <= self._last
            time = self._last + self._step
            self._offset = seconds - time if seconds is not None and is_anew else self._offset
        self._last = time
        return time
