"""What goes in and out when a device is signed in from a browser: the fields of RFC 8628 in camelCase."""

from typing import Literal

from pydantic import Field, SecretStr

from provenance.identity.schemas import Wire


class DeviceStart(Wire):
    """A device that asks to be signed in."""

    client_name: str = Field(default="device", min_length=1, max_length=100, description="What the person is shown.")


class DeviceCode(Wire):
    """What a device shows and what it asks with. Lifetimes in seconds."""

    device_code: str
    user_code: str
    verification_uri: str
    verification_uri_complete: str
    expires_in: int
    interval: int


class DeviceToken(Wire):
    """A device's question whether it was approved."""

    device_code: SecretStr


class UserCode(Wire):
    """The code that a person reads off the device."""

    user_code: str = Field(min_length=1, max_length=32)


class Decided(Wire):
    """A person's decision on a device."""

    client_name: str
    status: Literal["approved", "denied"]
