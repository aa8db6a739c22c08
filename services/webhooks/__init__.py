"""Webhooks: tells other systems, signed and until they have heard.

Owns      aggregates `webhook_endpoint`, `delivery`; read models `webhooks_endpoints`,
          `webhooks_deliveries`
Takes     CreateWebhook, UpdateWebhook, DeleteWebhook, RotateSecret, RequestReplay,
          RequestRedelivery
Emits     WebhookCreated, WebhookUpdated, WebhookDeleted, SecretRotated, ReplayRequested,
          WebhookFaltered, WebhookFailing, WebhookRecovered, WebhookDisabled, DeliveryScheduled,
          DeliverySucceeded, DeliveryAttemptFailed, RedeliveryRequested
Projects  WebhookDeleted → its deliveries go as well
Reacts    every public event (SourceCreated, SourceUpdated, SourceDeleted, IngestionStarted,
          SourceIngested, SourceUnchanged, SourceFailed, SourceUndone, CrawlPageVisited,
          BotProfileCreated, BotProfileUpdated, QuestionAsked, QuestionAnswered, QuestionRefused,
          TurnFailed, FeedbackGiven, FeedbackCleared, ThresholdReached, WebhookDisabled) → a
          delivery to each endpoint that wants it; ReplayRequested → deliver again;
          DeliveryScheduled, RedeliveryRequested,
          WebhookUpdated → wake the endpoint's lane; SecretRotated, WebhookDeleted → forget secrets
Answers   GetWebhook, ListWebhooks, GetDelivery, ListDeliveries, SendTest
"""
