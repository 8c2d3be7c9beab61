"""The page of a dry run says how many of its numbers it does not show."""

from uuid import uuid4

from service.domain.phone_numbers import FieldDrift
from service.domain.sweeps import Repair, SweepReport
from service.web.panel.reconcile.views import SHOWN_REPAIRS, DryRunView


def test_hidden_rows_are_counted_in_both_lists() -> None:
    def repairs(count: int) -> list[Repair]:
        drift = FieldDrift("server.url", "ours", "theirs")
        return [Repair(uuid4(), (drift,)) for _ in range(count)]

    report = SweepReport(
        checked=1000,
        drifted=SHOWN_REPAIRS * 2 + 4,
        repairs=repairs(SHOWN_REPAIRS + 1),
        left=repairs(SHOWN_REPAIRS + 3),
    )
    view = DryRunView(report, {})
    assert (len(view.repairs), view.further) == (SHOWN_REPAIRS, "1 more number not shown.")
    assert (len(view.left), view.further_left) == (SHOWN_REPAIRS, "3 more numbers not shown.")
    assert DryRunView(SweepReport(left=repairs(2)), {}).further_left == ""
