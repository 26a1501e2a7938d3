"""Who uploads: whoever can sign with the LiveKit API key and secret of the settings, as an agent's job does."""

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from hansard.db.access import Storage
from hansard.kit.errors import NotSignedIn
from hansard.resources.accounts.store import get_organization

LEEWAY_S = 60  # what LiveKit's own servers allow for clocks that differ

_bearer = HTTPBearer(auto_error=False)


def _organization_id(
    request: Request,
    storage: Storage,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
) -> int:
    """The organization that uploads are recorded for. Raises NotSignedIn, NotFound where it does not exist."""
    settings = request.app.state.settings
    if not (settings.livekit_api_key and settings.livekit_api_secret):
        raise NotSignedIn("LiveKit's uploads are not taken here: set livekit_api_key and livekit_api_secret.")
    check_token(bearer.credentials if bearer else "", settings.livekit_api_key, settings.livekit_api_secret)
    with storage.reading() as db:
        return get_organization(db, settings.livekit_organization).id


Uploader = Annotated[int, Depends(_organization_id)]


def check_token(token: str, api_key: str, api_secret: str) -> None:
    """Raises NotSignedIn for a token that LiveKit would not sign for an upload, or not with this key and secret."""
    import jwt

    try:
        claims = jwt.decode(
            token, api_secret, algorithms=["HS256"], issuer=api_key, leeway=LEEWAY_S, options={"require": ["exp"]}
        )
    except jwt.ExpiredSignatureError:
        raise NotSignedIn("The token has expired.") from None
    except jwt.InvalidTokenError:
        raise NotSignedIn("The token is not signed with the LiveKit API key and secret of this server.") from None
    grants = claims.get("observability")
    if not isinstance(grants, dict) or grants.get("write") is not True:
        raise NotSignedIn("The token does not grant the writing of observability data.")
