"""Chat: bots, their conversations, and the index they retrieve from.

Owns      aggregates `bot_profile`, `chat`, `retrieval_index`; read models `chat_bots`,
          `chat_chats`, `chat_index` (with the vector index it points to), `chat_spending`
Takes     CreateBotProfile, UpdateBotProfile, DeactivateBotProfile, AskQuestion, StopTurn,
          SetFeedback
Emits     BotProfileCreated, BotProfileUpdated, QuestionAsked, QuestionAnswered, QuestionRefused,
          TurnFailed, TurnStopRequested, FeedbackGiven, FeedbackCleared, IndexBuilt,
          IndexFailed
Projects  SourcePrepared, SourceUpdated, SourceDeleted → the index; BudgetCreated,
          BudgetUpdated, BudgetDeleted, QuestionAnswered, QuestionRefused → what stops
Reacts    QuestionAsked → retrieve and answer; TurnStopRequested → stop answering;
          SourcePrepared → tell when it is indexed
Answers   GetBotProfile, FindBotProfile, ListBotProfiles, GetChat, ListChats, CountChats,
          ListMessages, GetMessage, GetTurn, GetCitation, Retrieve
"""
