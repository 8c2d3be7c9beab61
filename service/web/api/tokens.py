"""The API's operations on API tokens."""

from dataclasses import asdict, dataclass
from uuid import UUID

from pydantic import BaseModel

from service.admin.people.tokens import Tokens, token_version
from service.web.api.operations import ApiRequest, Operation
from service.web.shapes import tokens as shapes
from service.web.shapes.paging import ListPage, PageQuery, read_cursor, write_cursor


@dataclass(frozen=True, slots=True)
class TokenOperations:
    """Read requests, call the use cases, shape answers."""

    tokens: Tokens

    async def create_token(self, request: ApiRequest) -> BaseModel:
        """The secret is in this answer only. A token creates none that reaches further than itself."""
        body: shapes.TokenBody = request.body
        token, secret = await self.tokens.create(
            request.actor,
            name=body.name,
            role=body.role,
            scopes=body.scopes,
            expires_at=body.expires_at,
        )
        made = shapes.NewToken.model_validate({**asdict(token), "token": secret})
        return made.in_version(token_version(token))

    async def list_tokens(self, request: ApiRequest) -> BaseModel:
        """Tokens without their secrets: who made them, what they reach, when they were used last."""
        query: PageQuery = request.query
        after = read_cursor(query.cursor, UUID)
        found = await self.tokens.list_page(
            request.actor, after=after[0] if after else None, limit=query.limit + 1
        )
        items = [shapes.Token.model_validate(token) for token in found[: query.limit]]
        return ListPage[shapes.Token](
            items=items,
            next_cursor=write_cursor(items[-1].id) if len(found) > query.limit else None,
        )

    async def revoke_token(self, request: ApiRequest) -> None:
        """The token and those that it created end at once."""
        await self.tokens.revoke(request.actor, request.ids["token_id"])

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "POST",
                "/tokens",
                "Create a token; its secret is shown once",
                self.create_token,
                shapes.NewToken,
                status=201,
                body=shapes.TokenBody,
                is_secret=True,
            ),
            Operation(
                "GET",
                "/tokens",
                "List tokens",
                self.list_tokens,
                ListPage[shapes.Token],
                query=PageQuery,
            ),
            Operation(
                "DELETE",
                "/tokens/{token_id}",
                "Revoke a token",
                self.revoke_token,
                None,
                status=204,
            ),
        ]
