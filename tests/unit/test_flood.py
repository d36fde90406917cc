"""Several recipients refused for a time, close together, are a refusal of us."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from activities.flood import FEWEST_RECIPIENTS, SHORTEST_STOP, WITHIN, FloodWatch

NOW = datetime(2026, 11, 25, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def test_different_recipients_close_together_stop_the_channel() -> None:
    watch = FloodWatch()
    asked = [watch.stop_until(str(chat), MINUTE, NOW + seconds(chat)) for chat in range(FEWEST_RECIPIENTS)]
    assert asked == [None, None, NOW + MINUTE]


def test_one_recipient_stops_nothing_however_often_it_is_refused() -> None:
    watch = FloodWatch()
    assert {watch.stop_until("7", MINUTE, NOW + seconds(number)) for number in range(9)} == {None}


def test_refusals_far_apart_stop_nothing() -> None:
    watch = FloodWatch()
    assert {watch.stop_until(str(number), MINUTE, NOW + number * (WITHIN / 2 + seconds(1))) for number in range(9)} == {
        None
    }


def test_the_earliest_end_counts() -> None:
    """A recipient's own wait is obeyed by its own retry, and holds back no other."""
    watch = FloodWatch()
    watch.stop_until("1", timedelta(hours=1), NOW)
    watch.stop_until("2", MINUTE, NOW)
    assert watch.stop_until("3", timedelta(hours=2), NOW) == NOW + MINUTE


def test_a_stop_is_told_once_and_a_later_one_again() -> None:
    watch = FloodWatch()
    told = [watch.stop_until(str(chat), MINUTE, NOW + seconds(chat / 10)) for chat in range(9)]
    assert [each for each in told if each] == [NOW + MINUTE]
    later = [watch.stop_until(str(chat), 2 * MINUTE, NOW + MINUTE) for chat in range(FEWEST_RECIPIENTS)]
    assert later[-1] == NOW + 3 * MINUTE


def test_a_stop_that_failed_is_told_again() -> None:
    watch = FloodWatch()
    for chat in range(FEWEST_RECIPIENTS):
        watch.stop_until(str(chat), MINUTE, NOW)
    watch.forget()
    again = [watch.stop_until(str(chat), MINUTE, NOW) for chat in range(FEWEST_RECIPIENTS)]
    assert again[-1] == NOW + MINUTE


def test_a_wait_that_is_over_at_once_stops_nothing() -> None:
    watch = FloodWatch()
    assert {watch.stop_until(str(chat), SHORTEST_STOP / 2, NOW) for chat in range(9)} == {None}
