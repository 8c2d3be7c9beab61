"""Two admins at the same account in real browsers: the second one sees the first one's change."""

from playwright.async_api import expect

from tests.support.browser import OpenPage, in_a_browser
from tests.support.people import add_admin
from tests.support.service import Replica

pytestmark = in_a_browser


async def test_the_second_admin_sees_the_first_ones_role_and_decides(
    open_page: OpenPage, callgate: Replica
) -> None:
    grace = await add_admin(callgate.service.pool, "Grace", "viewer")
    first = await open_page("admin", f"/people/{grace.id}")
    second = await first.context.new_page()
    await second.goto(first.url)
    await first.get_by_label("Role").select_option("support")
    await first.get_by_role("button", name="Change role").click()
    await expect(first.get_by_text("Grace now has the role support")).to_be_visible()
    await second.get_by_label("Role").select_option("admin")
    await second.get_by_role("button", name="Change role").click()
    await expect(second.get_by_role("alert")).to_contain_text("Another admin changed this")
    await expect(second.get_by_text("from viewer to support")).to_be_visible()
    await expect(second.get_by_label("Role")).to_have_value("admin")
    await second.get_by_role("button", name="Change role").click()
    await expect(second.get_by_text("Grace now has the role admin")).to_be_visible()
