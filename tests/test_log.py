"""Logging: one line an event, without secrets, and safe against forged lines."""

import logging
import time

import orjson
import pytest
import structlog

from service.log import configure_logging

pytestmark = pytest.mark.usefixtures("own_logging")


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [orjson.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_the_missions_lines_stand_to_the_letter(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(style="json", level="INFO")
    structlog.get_logger().warning("[Webhook] ⛔⛔⛔ CALL BLOCKED", call_id="c")
    assert '"[Webhook] ⛔⛔⛔ CALL BLOCKED"' in capsys.readouterr().err


@pytest.mark.parametrize("style", ["json", "console"])
def test_secrets_are_caught_wherever_they_turn_up(
    capsys: pytest.CaptureFixture[str], style: str
) -> None:
    configure_logging(style=style, level="INFO", secrets=["the-private-key", "the-secret"])
    log = structlog.get_logger()
    log.info("a.b", text="key the-private-key", nested={"x": ["the-secret"]})
    log.info("a.c", url="https://phone-call-websocket.vapi.ai/1/control?x=1", number="+15550101234")
    log.info("a.d", dsn="postgresql://me:hunter2@db/x", header="Bearer abcdefghijk")
    try:
        raise RuntimeError("Authorization: Bearer the-private-key")
    except RuntimeError:
        log.exception("a.e")
    logging.getLogger("somebody").warning("their the-secret")
    text = capsys.readouterr().err
    for word in (
        "the-private-key",
        "the-secret",
        "/control",
        "+15550101234",
        "hunter2",
        "abcdefghijk",
    ):
        assert word not in text, word


def test_control_characters_cannot_forge_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(style="console", level="INFO")
    structlog.get_logger().info("a.b", name="x\r\nfake line\u202e\x1b[31m")
    text = capsys.readouterr().err
    assert len(text.splitlines()) == 1
    assert "\u202e" not in text
    assert "\x1b[31m" not in text


def test_libraries_log_in_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(style="json", level="INFO")
    logging.getLogger("asyncpg").error("lost %s", "it")
    (line,) = lines(capsys)
    assert (line["event"], line["level"]) == ("lost it", "error")


def test_what_a_sender_can_cause_at_will_is_logged_once_a_second(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = 100.0
    configure_logging(style="json", level="INFO", clock=lambda: now)
    log = structlog.get_logger()
    for _ in range(500):
        log.warning("request.unavailable", path="/api/v1/calls")
        log.info("webhook.repaired")
    now += 1.5
    log.warning("request.unavailable", path="/api/v1/calls")
    found = lines(capsys)
    thinned = [line for line in found if line["event"] == "request.unavailable"]
    assert [line.get("suppressed") for line in thinned] == [None, 499]
    assert len(found) == 502


@pytest.mark.parametrize(
    "text", ["http://" * 150_000, "bearer " * 150_000, "+1555" * 200_000, "postgres://a:" * 80_000]
)
def test_a_hostile_text_takes_no_time(capsys: pytest.CaptureFixture[str], text: str) -> None:
    configure_logging(style="json", level="INFO", secrets=["the-private-key"])
    began = time.perf_counter()
    structlog.get_logger().info("a.b", text=text, error="x" * 19_990 + "the-private-key")
    assert time.perf_counter() - began < 2
    written = capsys.readouterr().err
    assert len(written) < 100_000
    assert "the-priv" not in written


def test_a_control_url_within_another_url_is_caught(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(style="json", level="INFO")
    structlog.get_logger().info("a.b", text="http://a.example/?u=https://b.vapi.ai/1/control?x=1")
    assert "b.vapi.ai" not in capsys.readouterr().err
