"""Chat: bots, their conversations, and the index they retrieve from.

Owns      aggregates `bot_profile`, `chat`, `retrieval_index`, `bot_index`, `test_suite`,
          `test_run`; read models `chat_bots`, `chat_chats`, `chat_index` (with the vector index it
          points to), `chat_spending`, `chat_playground`
Takes     CreateBotProfile, UpdateBotProfile, DeactivateBotProfile, AskQuestion, StopTurn,
          SetFeedback, RetryReindex, CreateSuite, RenameSuite, DeleteSuite, AddQuestions,
          RemoveQuestion, StartRun, CancelRun
Emits     BotProfileCreated, BotProfileUpdated, QuestionAsked, QuestionAnswered, QuestionRefused,
          TurnFailed, TurnStopRequested, ChatErased, FeedbackGiven, FeedbackCleared, IndexBuilt,
          IndexFailed, ReindexStarted, ReindexCancelled, ReindexFailed, IndexSwitched, IndexRetired,
          SuiteCreated, SuiteRenamed, SuiteDeleted, SuiteQuestionAdded, SuiteQuestionRemoved,
          RunStarted, ResultRecorded, VerdictRecorded, RunContinued, RunCancelled, RunEnded
Projects  SourcePrepared, SourceUpdated, SourceDeleted, ShadowPrepared → the index; RunStarted,
          PartPrepared, RunEnded, RunCancelled → the indexes of runs; BudgetCreated, BudgetUpdated,
          BudgetDeleted, QuestionAnswered, QuestionRefused, ResultRecorded, VerdictRecorded → what
          stops; ChatErased → what was tested with it goes
Reacts    QuestionAsked → retrieve and answer; TurnStopRequested → stop answering;
          SourcePrepared → tell when it is indexed; BotProfileCreated, BotProfileUpdated → re-index
          the bot if its sources are to be cut or embedded otherwise; ReindexStarted,
          ShadowPrepared, SourceDeleted → let a whole generation answer; IndexSwitched → take out
          what it replaced; ShadowFailed → end the re-index; ErasureRequested → erase chats;
          ChatErased → end answers that are being given in it; RunStarted, RunContinued → ask the
          questions of a suite by every variant, and score what comes; RunStarted, PartPrepared,
          SourceDeleted → let a run ask whose own indexes are whole; PartFailed,
          BotProfileUpdated → end a run whose indexes cannot be, or whose bot is gone
Answers   GetBotProfile, FindBotProfile, ListBotProfiles, GetChat, ListChats, CountChats,
          ListMessages, GetMessage, GetTurn, GetCitation, Retrieve, TryProvider,
          GetReplayed, GetBotIndex, PrepareReindex, CountChatsOfVisitor, CountOldChats, GetSuite,
          ListSuites, ListTestQuestions, GetAsked,
          GetRun, ListRuns, ListResults, FollowRun, PrepareRun, EstimateRun, CompareRun,
          GetBotVersion, ListBotVersions
"""
