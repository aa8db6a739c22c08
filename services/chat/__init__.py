"""Chat: bots, their conversations, and the index they retrieve from.

Owns      aggregates `bot_profile`, `chat`, `retrieval_index`, `bot_index`; read models
          `chat_bots`, `chat_chats`, `chat_index` (with the vector index it points to),
          `chat_spending`
Takes     CreateBotProfile, UpdateBotProfile, DeactivateBotProfile, AskQuestion, StopTurn,
          SetFeedback, RetryReindex
Emits     BotProfileCreated, BotProfileUpdated, QuestionAsked, QuestionAnswered, QuestionRefused,
          TurnFailed, TurnStopRequested, ChatErased, FeedbackGiven, FeedbackCleared, IndexBuilt,
          IndexFailed, ReindexStarted, ReindexCancelled, ReindexFailed, IndexSwitched, IndexRetired
Projects  SourcePrepared, SourceUpdated, SourceDeleted, ShadowPrepared → the index;
          BudgetCreated,
          BudgetUpdated, BudgetDeleted, QuestionAnswered, QuestionRefused → what stops
Reacts    QuestionAsked → retrieve and answer; TurnStopRequested → stop answering;
          SourcePrepared → tell when it is indexed; BotProfileCreated, BotProfileUpdated → re-index
          the bot if its sources are to be cut or embedded otherwise; ReindexStarted,
          ShadowPrepared, SourceDeleted → let a whole generation answer; IndexSwitched → take out
          what it replaced; ShadowFailed → end the re-index; ErasureRequested → erase chats;
          ChatErased → end answers that are being given in it
Answers   GetBotProfile, FindBotProfile, ListBotProfiles, GetChat, ListChats, CountChats,
          ListMessages, GetMessage, GetTurn, GetCitation, Retrieve, TryProvider,
          GetBotIndex, CountChatsOfVisitor, CountOldChats
"""
