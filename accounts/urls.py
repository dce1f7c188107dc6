"""Page routes: `/accounts/` for login, sign-up and recovery, `/account/` for the signed-in user's pages.

Route names without a namespace are those that allauth looks up itself.
"""

from django.urls import include, path

from accounts.views import api_keys, auth, profile, security, sessions

AUTH_URLS = [
    path("login/", auth.SignIn.as_view(), name="account_login"),
    path("login/passkey/", auth.PasskeySignIn.as_view(), name="mfa_login_webauthn"),
    path("login/second-factor/", auth.SecondFactor.as_view(), name="mfa_authenticate"),
    path("logout/", auth.SignOut.as_view(), name="account_logout"),
    path("signup/", auth.SignUp.as_view(), name="account_signup"),
    path("verify/", auth.verify, name="account_email_verification_sent"),
    path("recover/", auth.Recover.as_view(), name="account_reset_password"),
    path("recover/code/", auth.RecoverCode.as_view(), name="account_confirm_password_reset_code"),
    path("recover/password/", auth.NewPassword.as_view(), name="account_complete_password_reset"),
    path("inactive/", auth.inactive, name="account_inactive"),
]
ALLAUTH_URLS = [
    path("security/", security.Security.as_view(), name="mfa_index"),
    path("password/", security.ChangePassword.as_view(), name="account_change_password"),
    path("email/", profile.ChangeEmail.as_view(), name="account_email"),
    path("totp/", security.EnableTotp.as_view(), name="mfa_activate_totp"),
    path("totp/off/", security.DisableTotp.as_view(), name="mfa_deactivate_totp"),
    path("recovery-codes/", security.RecoveryCodes.as_view(), name="mfa_view_recovery_codes"),
    path("recovery-codes/new/", security.NewRecoveryCodes.as_view(), name="mfa_generate_recovery_codes"),
    path("passkeys/new/", security.AddPasskey.as_view(), name="mfa_add_webauthn"),
    path("passkeys/<int:pk>/remove/", security.RemovePasskey.as_view(), name="mfa_remove_webauthn"),
]
ACCOUNT_URLS = [
    path("", profile.Profile.as_view(), name="profile"),
    path("export/", profile.export, name="export"),
    path("delete/", profile.Delete.as_view(), name="delete"),
    path("sessions/", sessions.sessions, name="sessions"),
    path("sessions/others/revoke/", sessions.revoke_others, name="sessions_revoke_others"),
    path("sessions/<uuid:sid>/revoke/", sessions.revoke, name="session_revoke"),
    path("keys/", api_keys.keys, name="keys"),
    path("keys/new/", api_keys.NewKey.as_view(), name="key_new"),
    path("keys/<uuid:pk>/revoke/", api_keys.revoke, name="key_revoke"),
    path("activity/", sessions.activity, name="activity"),
    path("step-up/", security.StepUp.as_view(), name="step_up"),
]
urlpatterns = [
    path("accounts/", include(AUTH_URLS)),
    path("accounts/link/", auth.sign_in_link, name="sign_in_link"),
    path("account/", include(ALLAUTH_URLS)),
    path("account/", include((ACCOUNT_URLS, "account"))),
]
