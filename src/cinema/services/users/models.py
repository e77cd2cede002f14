"""What the user service answers."""

from datetime import datetime

from pydantic import BaseModel

__all__ = ["User"]


class User(BaseModel):
    """Describe a customer."""

    id: str
    username: str
    email: str
    full_name: str
    is_active: bool
    created_at: datetime
