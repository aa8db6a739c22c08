"""Analytics: counts what happened, and what it cost.

Owns      aggregate `budget`; read models `analytics_budgets`, `analytics_rollups`
Takes     CreateBudget, UpdateBudget, DeleteBudget
Emits     BudgetCreated, BudgetUpdated, BudgetDeleted, ThresholdReached
Projects  BotProfileCreated, BotProfileUpdated, SourceCreated, SourceUpdated → names and totals;
          QuestionAsked, QuestionAnswered, QuestionRefused, TurnFailed → usage, waits, citations and
          unanswered questions; FeedbackGiven, FeedbackCleared → feedback; ChatErased → what was
          asked goes; ResultRecorded, VerdictRecorded → usage
Reacts    QuestionAnswered, QuestionRefused, ResultRecorded, VerdictRecorded → tell budgets what is
          used
Answers   GetOverview, ListUsage, GetCosts, GetPricing, GetFeedback, GetFeedbackTrend, GetLatency,
          GetWorstSources, ListUnanswered, GetBudget, ListBudgets
"""
