"""Who is served, given who came."""

from shared.web.fair_queue import FairQueue


def anybody(_owner: str) -> bool:
    return True


def served(queue: FairQueue[str]) -> list[str]:
    """All that waits, in the order in which it is served."""
    found = []
    while (turn := queue.pop(anybody)) is not None:
        found.append(turn[1])
    return found


def queue_of(*items: str) -> FairQueue[str]:
    """Items named by their owner and a number."""
    queue: FairQueue[str] = FairQueue()
    for item in items:
        queue.push(item[0], item)
    return queue


class TestTheOrderOfService:
    def test_takes_owners_in_turn_and_each_in_its_own_order(self) -> None:
        queue = queue_of("a1", "a2", "a3", "b1", "b2", "c1")
        assert served(queue) == ["a1", "b1", "c1", "a2", "b2", "a3"]

    def test_puts_who_comes_late_before_who_has_been_served(self) -> None:
        queue = queue_of("a1", "a2", "a3")
        assert queue.pop(anybody) == ("a", "a1")
        queue.push("b", "b1")
        assert served(queue) == ["b1", "a2", "a3"]

    def test_lets_nobody_save_up_turns_that_he_did_not_need(self) -> None:
        queue = queue_of("a1", "a2", "a3", "a4", "a5")
        for _ in range(3):
            queue.pop(anybody)
        queue.push("b", "b1")
        queue.push("b", "b2")
        queue.push("b", "b3")
        assert served(queue) == ["b1", "a4", "b2", "a5", "b3"]

    def test_remembers_who_was_just_served_though_his_line_is_empty(self) -> None:
        queue = queue_of("a1", "b1", "b2")
        assert queue.pop(anybody) == ("a", "a1")
        queue.push("a", "a2")
        assert served(queue) == ["b1", "a2", "b2"]

    def test_passes_over_who_may_have_none_and_keeps_his_turn(self) -> None:
        queue = queue_of("a1", "a2", "b1", "b2")
        assert queue.pop(lambda owner: owner != "a") == ("b", "b1")
        assert queue.pop(lambda _owner: False) is None
        assert served(queue) == ["a1", "b2", "a2"]


class TestWhatWaits:
    def test_is_counted_for_all_and_for_each(self) -> None:
        queue = queue_of("a1", "a2", "b1")
        assert (len(queue), queue.waiting("a"), queue.waiting("b")) == (3, 2, 1)
        queue.pop(anybody)
        assert (len(queue), queue.waiting("a"), queue.waiting("c")) == (2, 1, 0)

    def test_can_be_taken_out_of_its_turn(self) -> None:
        queue = queue_of("a1", "a2", "a3")
        assert queue.drop("a", "a2")
        assert not queue.drop("a", "a2")
        assert not queue.drop("b", "b1")
        assert (len(queue), served(queue)) == (2, ["a1", "a3"])

    def test_is_nothing_any_more_when_all_of_it_was_taken_out(self) -> None:
        queue = queue_of("a1", "b1")
        queue.drop("a", "a1")
        assert (queue.waiting("a"), served(queue)) == (0, ["b1"])
        assert not queue
