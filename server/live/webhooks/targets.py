"""How much may be sent to each target just now: never much, and little to one that fails."""

from collections import Counter, OrderedDict

_FAILING_KNOWN = 500  # targets; each claim names them
_FAILING_ROOM = 1  # attempts at a time to a target whose last one failed


class Targets:
    """Of one node: what is under way to each, and which have failed last."""

    def __init__(self, usual_room: int) -> None:
        """usual_room: attempts at a time."""
        self._usual_room = usual_room
        self._busy: Counter[str] = Counter()
        self._failing: OrderedDict[str, None] = OrderedDict()

    def began(self, target: str) -> None:
        """An attempt is under way."""
        self._busy[target] += 1

    def ended(self, target: str) -> None:
        """It is over."""
        self._busy[target] -= 1
        if not self._busy[target]:
            del self._busy[target]

    def answered(self, target: str, *, failed: bool) -> None:
        """What came of an attempt decides how many may follow at a time."""
        self._failing.pop(target, None)
        if failed:
            self._failing[target] = None
            if len(self._failing) > _FAILING_KNOWN:
                self._failing.popitem(last=False)

    def rooms(self) -> dict[str, int]:
        """Of the targets to which less than usual may be sent just now."""
        rooms = {target: max(0, self._usual_room - busy) for target, busy in self._busy.items()}
        for target in self._failing:
            rooms[target] = max(0, _FAILING_ROOM - self._busy[target])
        return rooms
