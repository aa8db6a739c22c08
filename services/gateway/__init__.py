"""Gateway: the one door. Authenticates, validates, orders or asks, and presents.

Owns      aggregates `tenant`, `user`, `api_token` and the claims `tenant_slug`, `user_email`;
          read model `gateway_identity`
Takes     RegisterTenant, IssueApiToken, RevokeApiToken
Emits     TenantRegistered, SlugClaimed, UserCreated, EmailClaimed, ApiTokenIssued, ApiTokenRevoked
Answers   over HTTP, for everybody
"""
