"""Tell whether a refused request changed anything."""

from tests.support.api import ApiClient


async def unchanged(api: ApiClient) -> bool:
    return bool((await api.get("/organizations"))["items"] == [])
