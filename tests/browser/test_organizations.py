"""What people do about organizations, in a real browser: start a trial, help a caller, only look."""

import re

from playwright.async_api import expect

from service.sandbox.server import SandboxVapi
from tests.support.browser import OpenPage, in_a_browser
from tests.support.service import Replica

pytestmark = in_a_browser


async def test_an_organization_is_added_and_starts_a_trial(open_page: OpenPage) -> None:
    page = await open_page("admin", "/organizations")
    await page.get_by_role("button", name="Add your first organization").click()
    await page.get_by_label("Name").fill("Bäckerei Müller")
    await page.get_by_role("button", name="Add organization").click()
    await expect(page.get_by_text("There is neither a plan nor a trial.").first).to_be_visible()
    await page.get_by_role("link", name="Start a trial").click()
    # The end is proposed in the reader's own time, and kept as the same instant.
    proposed = await page.get_by_label(re.compile("Until")).input_value()
    await page.get_by_role("button", name="Start trial").click()
    await expect(page.get_by_text("Saved.")).to_be_visible()
    await expect(page.get_by_text("Calls are allowed. The trial runs until").first).to_be_visible()
    card = page.locator("section", has=page.get_by_role("heading", name="Trial"))
    instant = await card.locator("time").last.get_attribute("datetime")
    assert instant is not None
    shown = await page.evaluate(
        "at => new Date(new Date(at).getTime() - new Date(at).getTimezoneOffset() * 60000)"
        ".toISOString().slice(0, 16)",
        instant,
    )
    assert shown == proposed
    # The notice offers to undo the change.
    await page.locator("#notices").get_by_role("button", name="Undo").click()
    await expect(page.get_by_text("The change was undone.")).to_be_visible()
    await expect(page.get_by_text("There is neither a plan nor a trial.").first).to_be_visible()
    # Search as you type: the address follows, so that it can be passed on.
    await page.get_by_role("link", name="Organizations", exact=True).first.click()
    await page.wait_for_url(re.compile("/organizations$"))
    await page.keyboard.press("/")
    await page.keyboard.type("müll")
    await page.wait_for_url(re.compile("query=m"))
    await expect(page.get_by_role("link", name="Bäckerei Müller")).to_be_visible()
    await page.keyboard.type("zzz")
    await expect(page.get_by_text("No matches")).to_be_visible()


async def test_an_override_lets_the_next_call_pass(
    open_page: OpenPage, callgate: Replica, vapi: SandboxVapi
) -> None:
    organization_id = await callgate.add_organization("Acme")
    number_id = vapi.add_number(provider="vapi", assistantId=vapi.add_assistant(name="A")["id"])[
        "id"
    ]
    await callgate.add_number(organization_id, number_id)
    assert (await callgate.post(vapi.live_call(number_id))).status == 403
    page = await open_page("support", "/organizations")
    await page.get_by_role("link", name="Acme").click()
    await expect(page.get_by_text("1 call was blocked.")).to_be_visible()
    await page.get_by_role("button", name="Allow calls for a day").click()
    await expect(page.get_by_text("that end within 7 days")).to_be_visible()
    await page.get_by_label("Reason").fill("They are paying right now")
    await page.get_by_role("button", name="Set override").click()
    await expect(
        page.get_by_text("Calls are allowed. An override by A support").first
    ).to_be_visible()
    assert (await callgate.post(vapi.live_call(number_id))).status == 200


async def test_a_viewer_sees_no_controls(open_page: OpenPage, callgate: Replica) -> None:
    for name in ("Acme", "Bakery", "Café"):
        await callgate.add_organization(name)
    page = await open_page("viewer", "/organizations")
    main = page.locator("main")
    await page.goto(f"{page.url}?limit=2")
    await page.get_by_role("button", name="Show more").click()
    await expect(main.locator("tbody tr")).to_have_count(3)
    await expect(page.get_by_role("button", name="Show more")).to_have_count(0)
    await expect(main.get_by_role("button", name="Add organization")).to_have_count(0)
    await page.get_by_role("link", name="Acme").click()
    await expect(main.get_by_role("heading", name="Access now")).to_be_visible()
    for name in ("Set a plan", "Start a trial", "Set an override", "Add a number"):
        await expect(main.get_by_role("link", name=name)).to_have_count(0)
    await expect(main.get_by_role("button")).to_have_count(0)
    await expect(main.locator("form[method=post]")).to_have_count(0)
    await page.keyboard.press("g")
    await page.keyboard.press("a")
    await expect(main.get_by_role("heading", name="Audit")).to_be_visible()
    await expect(main.get_by_role("button", name="Undo")).to_have_count(0)


async def test_the_way_to_the_next_page_outlives_a_search(
    callgate: Replica, open_page: OpenPage
) -> None:
    await callgate.service.pool.execute(
        "INSERT INTO callgate.organizations (name) SELECT 'Client ' || n FROM generate_series(1, 120) n"
    )
    page = await open_page("viewer", "/organizations")
    for text, rows in (("Client 12", 2), ("Client", 50)):
        await page.get_by_role("searchbox").fill(text)
        await expect(page.locator("#rows tr")).to_have_count(rows)
    async with page.expect_response("**/organizations?*"):
        await page.get_by_role("searchbox").blur()
    for shown in (100, 120):
        await page.get_by_role("button", name="Show more").click()
        await expect(page.locator("#rows tr")).to_have_count(shown)
    await expect(page.get_by_role("button", name="Show more")).to_have_count(0)


async def test_a_viewer_supposes_a_plan_and_a_caller(
    open_page: OpenPage, callgate: Replica
) -> None:
    await callgate.add_organization("Acme")
    page = await open_page("viewer", "/organizations")
    await page.get_by_role("link", name="Acme").click()
    await page.get_by_text("What if", exact=True).click()
    form = page.locator("form[action$='/what-if']")
    await form.get_by_label("Plan", exact=True).select_option("unpaid")
    await form.get_by_label("Type of the call").select_option(label="Inbound")
    await form.get_by_label("Caller").fill("+1 555 123 4567")
    await form.get_by_role("button", name="Decide").click()
    await expect(page.get_by_text("Calls are blocked. The plan supposed is unpaid")).to_be_visible()
    await expect(page.locator("ol.chain li")).to_have_count(8)
    await expect(page.locator("ol.chain li").last).to_contain_text("Default")
    # The form keeps what was supposed, for the next question.
    await page.get_by_label("Override").select_option(label="Allow all calls")
    await page.get_by_role("textbox", name=re.compile("^At")).fill("2031-01-01T12:00")
    await page.get_by_role("button", name="Decide").click()
    await expect(page.get_by_text("Calls are allowed. An override by")).to_be_visible()
    await expect(page.get_by_label("Plan", exact=True)).to_have_value("unpaid")
    assert await callgate.service.pool.fetchval("SELECT count(*) FROM callgate.plans") == 0
