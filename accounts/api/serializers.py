"""What goes in and comes out, for validation and for OpenAPI. Secrets are write-only or shown once."""

from typing import Any

from rest_framework import serializers

from accounts.domain.permissions import Role
from accounts.models import ApiKey, AuthSession, User
from accounts.services.api_keys import MOST_DAYS

Fields = dict[str, Any]
PASSWORD_CHARACTERS = 1024  # more is an attack on the hasher, not a password


class Secret(serializers.CharField):
    """Taken as it is written, and never given back."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            **{"write_only": True, "trim_whitespace": False, "max_length": PASSWORD_CHARACTERS, **options}
        )


class Code(serializers.CharField):
    """A mailed, TOTP or recovery code."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"write_only": True, "max_length": 32, **options})


# --- signing up and in ---------------------------------------------------------------------------------
class SignUpBody(serializers.Serializer[Fields]):
    email = serializers.EmailField(max_length=254)
    password = Secret()
    name = serializers.CharField(max_length=80, required=False, allow_blank=True)


class PendingBody(serializers.Serializer[Fields]):
    """The same whether or not the address is known: what is true is in the mail."""

    verification = serializers.CharField(help_text="Send it to /auth/verify with the code from the mail.")
    expires_in = serializers.IntegerField(help_text="Seconds that the code is good for.")


class VerifyBody(serializers.Serializer[Fields]):
    verification = serializers.CharField(max_length=64, write_only=True)
    code = Code()


class VerifiedBody(serializers.Serializer[Fields]):
    email = serializers.EmailField()


class LoginBody(serializers.Serializer[Fields]):
    email = serializers.CharField(max_length=254)
    password = Secret()
    code = Code(required=False, help_text="TOTP or recovery code, where a second factor is on.")
    cookies = serializers.BooleanField(
        required=False, default=False, help_text="For browsers: put the tokens into HttpOnly cookies instead."
    )


class RefreshBody(serializers.Serializer[Fields]):
    refresh = Secret(
        required=False,
        max_length=4096,
        help_text="Browsers leave it out: theirs is in the cookie, and so will be the new pair.",
    )


class TokensBody(serializers.Serializer[Fields]):
    """With `cookies` the two tokens are null here, and every changing request needs `X-CSRFToken`."""

    access = serializers.CharField(allow_null=True)
    refresh = serializers.CharField(allow_null=True)
    token_type = serializers.ChoiceField(choices=["Bearer"])
    expires_in = serializers.IntegerField(help_text="Seconds that the access token is good for.")
    refresh_expires_in = serializers.IntegerField()
    csrf_token = serializers.CharField(allow_null=True)


class LogoutBody(serializers.Serializer[Fields]):
    everywhere = serializers.BooleanField(
        required=False, default=False, help_text="Also end all other sessions and all API keys."
    )


class StepUpBody(serializers.Serializer[Fields]):
    """One of the two."""

    password = Secret(required=False)
    code = Code(required=False)

    def validate(self, attrs: Fields) -> Fields:
        if len(attrs) != 1:
            raise serializers.ValidationError("Send either a password or a code.")
        return attrs


class StepUpAnswer(serializers.Serializer[Fields]):
    fresh_seconds = serializers.IntegerField(help_text="How long sensitive acts are open now.")


# --- oneself -------------------------------------------------------------------------------------------
class MeBody(serializers.ModelSerializer[User]):
    role = serializers.ChoiceField(choices=[role.value for role in Role], read_only=True)
    second_factor = serializers.BooleanField(read_only=True)
    name = serializers.CharField(max_length=80, required=False, allow_blank=True)

    class Meta:
        model = User
        fields = ("id", "email", "name", "role", "second_factor", "date_joined")
        read_only_fields = ("id", "email", "date_joined")


class PasswordBody(serializers.Serializer[Fields]):
    current = Secret()
    new = Secret()


class SecondFactorState(serializers.Serializer[Fields]):
    enabled = serializers.BooleanField()
    recovery_codes_left = serializers.IntegerField()


class SecondFactorOffer(serializers.Serializer[Fields]):
    """Shown once, good for ten minutes."""

    secret = serializers.CharField(help_text="Base32; for an authenticator app.")
    url = serializers.CharField(help_text="otpauth:// address of the same.")


class CodeBody(serializers.Serializer[Fields]):
    code = Code()


class RecoveryCodes(serializers.Serializer[Fields]):
    recovery_codes = serializers.ListField(child=serializers.CharField(), help_text="Shown once.")


# --- credentials ---------------------------------------------------------------------------------------
class SessionBody(serializers.ModelSerializer[AuthSession]):
    current = serializers.SerializerMethodField()

    class Meta:
        model = AuthSession
        fields = ("sid", "kind", "created_at", "last_seen_at", "address", "user_agent", "current")
        read_only_fields = fields

    def get_current(self, session: AuthSession) -> bool:
        return getattr(self.context["request"].auth, "sid", None) == session.sid


class KeyBody(serializers.ModelSerializer[ApiKey]):
    name = serializers.CharField(max_length=60)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=ApiKey.Scope.choices), read_only=True
    )

    class Meta:
        model = ApiKey
        fields = (
            "id", "name", "hint", "scopes", "created_at", "expires_at", "last_used_at", "last_used_address",
        )  # fmt: skip
        read_only_fields = (
            "id", "hint", "created_at", "expires_at", "last_used_at", "last_used_address",
        )  # fmt: skip


class KeyCreate(serializers.Serializer[Fields]):
    name = serializers.CharField(max_length=60)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=ApiKey.Scope.choices),
        min_length=1,
        max_length=len(ApiKey.Scope.values),
    )
    days = serializers.IntegerField(
        min_value=1, max_value=MOST_DAYS, default=90, help_text="Life of the key."
    )


class KeyCreated(KeyBody):
    """The only answer that holds the key itself."""

    key = serializers.CharField(read_only=True)

    class Meta:
        model = ApiKey
        fields = (*KeyBody.Meta.fields, "key")
        read_only_fields = KeyBody.Meta.read_only_fields
