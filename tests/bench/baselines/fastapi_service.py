"""What one writes first with FastAPI: each message asks PostgreSQL whose number it is.

    uvicorn tests.bench.baselines.fastapi_service:app

with `DATABASE_URL`, `ACCESS_SQL` (a file) and `WEBHOOK_SECRET` in the environment.
"""

import hmac
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
from fastapi import FastAPI, Header, HTTPException

SECRET = os.environ["WEBHOOK_SECRET"]
QUERY = Path(os.environ["ACCESS_SQL"]).read_text()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=10, max_size=10) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/api/vapi/webhook")
async def webhook(body: dict[str, Any], x_vapi_secret: str = Header("")) -> dict[str, str]:
    if not hmac.compare_digest(x_vapi_secret, SECRET):
        raise HTTPException(401)
    number_id = body["message"]["call"]["phoneNumberId"]
    row = await app.state.pool.fetchrow(QUERY, number_id)
    if row is None:
        raise HTTPException(404)
    if not row["allowed"]:
        raise HTTPException(403, row["blocked_message"])
    return {}
