"""The breaker of one server, with a clock of its own."""

from service.relay.breaker import PROBE_SECONDS, Breaker


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def opened() -> tuple[Breaker, Clock]:
    """A breaker after three failures in a row."""
    clock = Clock()
    breaker = Breaker(3, 1.0, 4.0, clock)
    for _ in range(3):
        assert breaker.enter()
        breaker.fail()
    return breaker, clock


def test_failures_in_a_row_open_it_and_a_success_between_them_does_not() -> None:
    breaker = Breaker(3, 1.0, 4.0, Clock())
    for outcome in (breaker.fail, breaker.fail, breaker.succeed, breaker.fail, breaker.fail):
        assert breaker.enter()
        outcome()
    assert breaker.wait_seconds() == 0.0
    breaker.fail()
    assert breaker.wait_seconds() == 1.0
    assert not breaker.enter()


def test_after_the_pause_one_probe_goes_out_at_a_time() -> None:
    breaker, clock = opened()
    assert breaker.wait_seconds() == 1.0
    clock.now += 1.0
    assert breaker.enter()
    assert not breaker.enter()
    assert breaker.wait_seconds() == PROBE_SECONDS
    breaker.leave()
    assert breaker.enter()
    breaker.succeed()
    assert breaker.is_closed
    assert breaker.enter()
    assert breaker.enter()


def test_the_pause_doubles_up_to_the_longest() -> None:
    breaker, clock = opened()
    for pause in (2.0, 4.0, 4.0):
        clock.now += breaker.wait_seconds()
        assert breaker.enter()
        breaker.fail()
        assert breaker.wait_seconds() == pause


def test_failures_of_requests_that_began_before_it_opened_do_not_prolong_the_pause() -> None:
    breaker, _ = opened()
    for _ in range(50):
        breaker.fail()
    assert breaker.wait_seconds() == 1.0
