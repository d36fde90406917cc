"""What a notification's workflow says while deliveries wait: in its current details, and in a search attribute."""

from __future__ import annotations

from collections.abc import Iterable

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from channels.registry import find_plan
    from contracts.sending import DeliveryToSend, DeliveryWaits, Reason
    from workflows import search_attributes
    from workflows.summaries import clock

_HELD = frozenset({Reason.PAUSED.value, Reason.QUIET_HOURS.value})
"""Then the delivery does not wait for its provider."""


class Waits:
    """The deliveries that wait, each with its newest reason.

    Details are no command. The search attribute is one, so it is set only for a wait for a provider, and only if the
    workflow's input says so: a release before 0.6.0 cannot go on with such a history.
    """

    def __init__(self) -> None:
        self.searchable = False
        self.were_set = False
        """Whether the search attribute was set."""
        self._waits: dict[tuple[int | None, str], DeliveryWaits] = {}
        self._notification_id = 0

    def begin(self, notification_id: int, *, searchable: bool) -> None:
        self._notification_id, self.searchable = notification_id, searchable
        self._show()

    def note(self, waits: DeliveryWaits) -> None:
        """Takes up why a delivery waits."""
        self._waits[waits.delivery_id, waits.channel] = waits
        self._show()
        self._set_attribute()

    def over(self, delivery: DeliveryToSend) -> None:
        """The delivery waits no more. If it was the last, the end's own update clears the attribute."""
        if self._waits.pop((delivery.delivery_id, delivery.channel), None) is not None:
            self._show()
            if self.were_set and self._waits:
                self._set_attribute()

    def _set_attribute(self) -> None:
        values = waiting_for(self._waits.values())
        if self.searchable and (values or self.were_set):
            workflow.upsert_search_attributes([search_attributes.WAITING_FOR.value_set(values)])
            self.were_set = True

    def _show(self) -> None:
        if self._waits or workflow.get_current_details():
            workflow.set_current_details(waiting_details(self._notification_id, self._waits.values()))


def waiting_for(waits: Iterable[DeliveryWaits]) -> list[str]:
    """Returns the channels whose provider is waited for, and for each the reason, such as `email:smtp_rcpt_450`."""
    for_provider = [each for each in waits if each.reason not in _HELD]
    return sorted({each.channel for each in for_provider} | {f"{each.channel}:{each.reason}" for each in for_provider})


def waiting_details(notification_id: int, waits: Iterable[DeliveryWaits]) -> str:
    """Returns Markdown that says why each delivery waits, and what an operator can do. It names nobody."""
    lines: list[str] = []
    for each in waits:
        plan = find_plan(each.channel)
        name = plan.message if plan else each.channel
        why = plan.in_words(each.reason) if plan else f"{each.reason}."
        until = clock(each.until)
        match each.reason:
            case Reason.QUIET_HOURS:
                lines.append(f"- {name} waits. {why} They end at about {until}. Nothing needs to be done.")
            case Reason.PAUSED:
                lines.append(f"- {name} waits. {why} `python cli.py resume` resumes sending.")
            case _:
                lines.append(
                    f"- {name} waits. {why.removesuffix('.')} (`{each.reason}`, attempt {each.attempts}). "
                    f"Next attempt at about {until}. "
                    f"`python cli.py deliveries --notification {notification_id}` shows the provider's answer."
                )
    return "\n".join([*lines, "- To give it up, cancel this workflow."]) if lines else ""
