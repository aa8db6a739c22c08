"""Gateway: the one door. Authenticates, validates, orders or asks, and presents.

Owns      aggregates `tenant`, `directory` (the people of a tenant), `session`, `api_token`,
          `widget_key`, `erasure`, `retention`, `dead_letter` once a service has told of it, and the
          claim `tenant_slug`; read models `gateway_identity`, `gateway_audit`, `gateway_erasures`
          and `gateway_letters`
Takes     RegisterTenant, UpdateTenant, DeactivateTenant, ReactivateTenant, CreateUser, UpdateUser,
          DeactivateUser, ChangePassword, StartSession, RefreshSession, EndSession, IssueApiToken,
          RevokeApiToken, RecordTokenUse, CreateWidgetKey, UpdateWidgetKey, RevokeWidgetKey,
          EraseUser, RequestErasure, RecordErasureTold, RecordErasurePart, SetRetention,
          ReplayDeadLetter, DiscardDeadLetter, RecordReplay
Emits     TenantRegistered, TenantUpdated, TenantDeactivated, TenantReactivated, SlugClaimed,
          UserCreated, UserUpdated, UserDeactivated, UserReactivated, UserPasswordChanged,
          SessionStarted, SessionRefreshed, SessionEnded, ApiTokenIssued, ApiTokenRevoked,
          ApiTokenUsed, WidgetKeyCreated, WidgetKeyUpdated, WidgetKeyRevoked, UserErased,
          ErasureRequested, ErasureTold, ErasurePartDone, ErasureCompleted, RetentionSet,
          DeadLetterReplayOrdered, DeadLetterReplayed, DeadLetterReplayFailed, DeadLetterDiscarded;
          TenantImported is told by the operator's command that takes a tenant in
Projects  ApiTokenIssued, ApiTokenRevoked, BotProfileCreated, BotProfileUpdated, BudgetCreated,
          BudgetDeleted, BudgetUpdated, ChildrenIngestionRequested, CrawlCancelled, CrawlPaused,
          CrawlResumed, IngestionRequested, RedeliveryRequested, ReplayRequested, SecretRotated,
          SessionEnded, SessionStarted, SourceCreated, SourceDeleted, SourceUndone, SourceUpdated,
          TenantDeactivated, TenantImported, TenantReactivated, TenantRegistered, TenantUpdated,
          UserCreated, UserDeactivated, UserPasswordChanged, UserReactivated, UserUpdated,
          WebhookCreated, WebhookDeleted, WebhookUpdated, WidgetKeyCreated, WidgetKeyRevoked,
          WidgetKeyUpdated, ErasureRequested, RetentionSet, UserErased, DeadLetterReplayOrdered,
          DeadLetterDiscarded → the audit log
Reacts    public events, to whoever subscribes to them on the broker; ErasureRequested → erase the
          user, or the tenant; ScheduleFired → order that what is too old is erased
Asks      chat whether a bot exists
Keeps     answers to requests with an `Idempotency-Key` for a day, sealed; counts of attempts and
          of visitors' questions
Answers   ListAudit, GetErasure, ListErasures, GetRetention, GetLetterStates,
          ListSettledLetters; and over HTTP, for everybody
"""
