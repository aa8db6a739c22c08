"""Gateway: the one door. Authenticates, validates, orders or asks, and presents.

Owns      aggregates `tenant`, `directory` (the people of a tenant), `session`, `api_token`,
          `widget_key` and the claim `tenant_slug`; read model `gateway_identity`
Takes     RegisterTenant, UpdateTenant, DeactivateTenant, ReactivateTenant, CreateUser, UpdateUser,
          DeactivateUser, ChangePassword, StartSession, RefreshSession, EndSession, IssueApiToken,
          RevokeApiToken, RecordTokenUse, CreateWidgetKey, UpdateWidgetKey, RevokeWidgetKey
Emits     TenantRegistered, TenantUpdated, TenantDeactivated, TenantReactivated, SlugClaimed,
          UserCreated, UserUpdated, UserDeactivated, UserReactivated, UserPasswordChanged,
          SessionStarted, SessionRefreshed, SessionEnded, ApiTokenIssued, ApiTokenRevoked,
          ApiTokenUsed, WidgetKeyCreated, WidgetKeyUpdated, WidgetKeyRevoked
Asks      chat whether a bot exists
Keeps     answers to requests with an `Idempotency-Key` for a day, sealed; counts of attempts and
          of visitors' questions
Answers   over HTTP, for everybody
"""
