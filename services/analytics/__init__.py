"""Analytics: counts what happened, and what it cost.

Owns      read model `analytics_rollups`; no aggregate
Projects  BotProfileCreated, BotProfileUpdated, SourceCreated, SourceUpdated → names and totals;
          QuestionAsked, QuestionAnswered, QuestionRefused, TurnFailed → usage, waits, citations and
          unanswered questions; FeedbackGiven, FeedbackCleared → feedback
Answers   GetOverview, ListUsage, GetCosts, GetPricing, GetFeedback, GetFeedbackTrend, GetLatency,
          GetWorstSources, ListUnanswered
"""
