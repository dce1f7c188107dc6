"""`/accounts/` is the way in, `/account/` is what one finds inside.

Names without a namespace are those that allauth looks up by itself.
"""

from django.urls import include, path

from accounts.views import entrance, keys, profile, security, sessions, step_up, trail

ENTRANCE = [
    path("login/", entrance.SignIn.as_view(), name="account_login"),
    path("login/passkey/", entrance.PasskeySignIn.as_view(), name="mfa_login_webauthn"),
    path("login/second-factor/", entrance.SecondFactor.as_view(), name="mfa_authenticate"),
    path("logout/", entrance.SignOut.as_view(), name="account_logout"),
    path("signup/", entrance.SignUp.as_view(), name="account_signup"),
    path("verify/", entrance.verify, name="account_email_verification_sent"),
    path("recover/", entrance.Recover.as_view(), name="account_reset_password"),
    path("recover/code/", entrance.RecoverCode.as_view(), name="account_confirm_password_reset_code"),
    path("recover/password/", entrance.NewPassword.as_view(), name="account_complete_password_reset"),
    path("inactive/", entrance.inactive, name="account_inactive"),
]
INSIDE = [
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
OURS = [
    path("", profile.Profile.as_view(), name="profile"),
    path("export/", profile.export, name="export"),
    path("delete/", profile.Delete.as_view(), name="delete"),
    path("sessions/", sessions.sessions, name="sessions"),
    path("sessions/others/revoke/", sessions.revoke_others, name="sessions_revoke_others"),
    path("sessions/<uuid:sid>/revoke/", sessions.revoke, name="session_revoke"),
    path("keys/", keys.keys, name="keys"),
    path("keys/new/", keys.NewKey.as_view(), name="key_new"),
    path("keys/<uuid:pk>/revoke/", keys.revoke, name="key_revoke"),
    path("activity/", trail.trail, name="trail"),
    path("step-up/", step_up.StepUp.as_view(), name="step_up"),
]
urlpatterns = [
    path("accounts/", include(ENTRANCE)),
    path("accounts/link/", entrance.sign_in_link, name="sign_in_link"),
    path("account/", include(INSIDE)),
    path("account/", include((OURS, "account"))),
]
