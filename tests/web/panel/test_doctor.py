"""Settings and health in the panel: examined on demand, and without a secret."""

from tests.support.service import Replica
from tests.support.settings import SECRET, TOKEN
from tests.support.visiting import visiting


async def test_nothing_is_examined_until_somebody_asks(callgate: Replica) -> None:
    async with visiting(callgate, "viewer") as vic:
        shown = await vic.get("/health")
        assert "No check has run" in shown.text
        shown = await vic.post("/health")
        assert shown.url == "/health"
        for text in (
            "The schema fits.",
            "Vapi accepts the key",
            "The webhook URL answers as ours.",
        ):
            assert text in shown.text
        part = await vic.ask("GET", "/health", headers={"HX-Request": "true"})
        assert 'id="findings"' in part.body


async def test_settings_are_shown_with_their_source_and_no_secret(callgate: Replica) -> None:
    async with visiting(callgate, "viewer") as vic:
        shown = await vic.get("/health")
    assert "VAPI_WEBHOOK_SECRET set" in shown.text
    assert "CALLGATE_RECONCILE_INTERVAL 300 default" in shown.text
    for secret in (SECRET, TOKEN, callgate.service.settings.vapi_api_key.get_secret_value()):
        assert secret not in shown.body
